// recipe.c -- a recipe's defaults, its table of keys, and its checks.
#include <vkdiv/optimizer.h>
#include <vkdiv/recipe.h>

#include "../suggest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct vkd_recipe_field fields[] = {
#define X(key, member, kind) { key, VKD_RECIPE_##kind, offsetof(struct vkd_recipe, member) },
    VKD_RECIPE_FIELDS(X)
#undef X
};

const struct vkd_recipe_field *vkd_recipe_field_at(uint32_t index)
{
    return index < sizeof(fields) / sizeof(fields[0]) ? &fields[index] : NULL;
}

void vkd_recipe_default(struct vkd_recipe *r)
{
    // SimCLR's view of small images.
    const struct vkd_recipe_view view = {
        .filter = "bilinear", .scale = { 0.08f, 1 }, .ratio = { 0.75f, 4.0f / 3.0f }, .flip = 0.5f,
        .jitter = { 0.8f, 0.8f, 0.8f, 0.2f }, .jitter_p = 0.8f, .gray = 0.2f, .blur = 0.5f, .sigma = { 0.1f, 2 },
    };
    *r = (struct vkd_recipe) {
        .method = "supervised", .view1 = view, .view2 = view, .crops = { .size = 16, .view = view },
        .data = { .mean = { 0.5f, 0.5f, 0.5f }, .std = { 0.25f, 0.25f, 0.25f }, .shuffle = true, .bad_limit = 10 },
        .augment = { .name = "none", .pad = 4, .scale = { 0.08f, 1.0f }, .ratio = { 0.75f, 4.0f / 3.0f }, .flip = 0.5f },
        .model = { .arch = "resnet18", .stem = "cifar", .size = 32, .dropout = -1.0f },
        .optimizer = { .name = "sgd", .lr = 0.1f, .momentum = -1, .weight_decay = -1, .beta1 = -1, .beta2 = -1, .eps = -1,
                       .eta = -1, .decay_norm_bias = true },
        .schedule = { .name = "cosine", .gamma = 0.1f, .step_epochs = 30 },
        .ssl = { .queue_start = -1, .frozen_epochs = -1, .temperature = -1, .teacher_temperature = -1, .momentum = -1,
                 .momentum_end = -1, .center_momentum = -1, .epsilon = -1, .lambda = -1, .scale = -1, .invariance = -1,
                 .variance = -1, .covariance = -1 },
        .injection = { .max = 1, .label_fraction = 1, .lr = -1, .bn = "batch", .floor = 0.9f, .kp = 2, .ki = 0.5f,
                       .hysteresis = 0.01f },
        .monitor = { .probe = true, .probe_lr = 0.1f, .images = 1024, .knn_k = 20, .knn_temperature = 0.07f },
        .batch = 128, .accumulate = 1, .epochs = 10, .eval_every = 1, .checkpoint_minutes = 5,
        .precision = "fp32",
    };
}

void vkd_recipe_resolve(struct vkd_recipe *r)
{
    struct vkd_optimizer_config own;
    if (vkd_optimizer_defaults(r->optimizer.name, &own) < 0)
        return;
    float *const left[] = { &r->optimizer.momentum, &r->optimizer.weight_decay, &r->optimizer.beta1,
                              &r->optimizer.beta2, &r->optimizer.eps, &r->optimizer.eta };
    const float values[] = { own.momentum, own.weight_decay, own.beta1, own.beta2, own.eps, own.eta };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (*left[i] < 0)
            *left[i] = values[i];
}

// ---- Checks ----

struct check { char *why; size_t size; bool bad; };

static void one_of(struct check *c, const char *key, const char *value, const char *const *names, uint32_t count)
{
    if (c->bad)
        return;
    for (uint32_t i = 0; value && i < count; i++)
        if (!strcmp(value, names[i]))
            return;
    const char *near = value ? vkd__suggest(value, names, count) : NULL;
    char list[256];
    size_t used = 0;
    list[0] = 0;
    for (uint32_t i = 0; i < count && used < sizeof(list); i++)
        used += (size_t) snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", names[i]);
    snprintf(c->why, c->size, "%s: expected one of %s; found \"%s\"%s%s%s", key, list, value ? value : "",
             near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
    c->bad = true;
}

static void in_range(struct check *c, const char *key, double value, double low, double high)
{
    if (c->bad || (isfinite(value) && value >= low && value <= high))
        return;
    snprintf(c->why, c->size, "%s: expected a number from %.7g to %.7g, found %.7g", key, low, high, value);
    c->bad = true;
}

// -1 stands for the optimiser's own value.
static void own_or_range(struct check *c, const char *key, double value, double low, double high)
{
    if (value != -1)
        in_range(c, key, value, low, high);
}

#define ONE_OF(c, key, value, ...) \
    one_of(c, key, value, (const char *const[]) { __VA_ARGS__ }, sizeof((const char *const[]) { __VA_ARGS__ }) / sizeof(char *))

static void check_data(struct check *c, const struct vkd_recipe *r)
{
    if (!c->bad && !r->data.train) {
        snprintf(c->why, c->size, "data.train: expected a data SPEC such as idx:DIR or folder:DIR, found nothing");
        c->bad = true;
    }
    for (int i = 0; i < 3; i++) {
        in_range(c, "data.mean", (double) r->data.mean[i], -10, 10);
        in_range(c, "data.std", (double) r->data.std[i], 1e-6, 100);
    }
    in_range(c, "data.threads", r->data.threads, 0, 64);
    ONE_OF(c, "augment.name", r->augment.name, "none", "pad-crop", "resized-crop");
    in_range(c, "augment.pad", r->augment.pad, 0, 1024);
    in_range(c, "augment.scale[0]", (double) r->augment.scale[0], 1e-4, 1);
    in_range(c, "augment.scale[1]", (double) r->augment.scale[1], (double) r->augment.scale[0], 1);
    in_range(c, "augment.ratio[0]", (double) r->augment.ratio[0], 0.0625, 16);
    in_range(c, "augment.ratio[1]", (double) r->augment.ratio[1], (double) r->augment.ratio[0], 16);
    in_range(c, "augment.flip", (double) r->augment.flip, 0, 1);
}

static void check_optimizer(struct check *c, const struct vkd_recipe *r)
{
    ONE_OF(c, "optimizer.name", r->optimizer.name, "sgd", "lars", "adam", "adamw", "lamb");
    in_range(c, "optimizer.lr", (double) r->optimizer.lr, 0, 1000);
    own_or_range(c, "optimizer.momentum", (double) r->optimizer.momentum, 0, 0.99999);
    own_or_range(c, "optimizer.weight_decay", (double) r->optimizer.weight_decay, 0, 10);
    own_or_range(c, "optimizer.beta1", (double) r->optimizer.beta1, 0, 0.99999);
    own_or_range(c, "optimizer.beta2", (double) r->optimizer.beta2, 0, 0.999999);
    own_or_range(c, "optimizer.eps", (double) r->optimizer.eps, 1e-20, 1);
    own_or_range(c, "optimizer.eta", (double) r->optimizer.eta, 1e-9, 100);
    in_range(c, "optimizer.clip_norm", (double) r->optimizer.clip_norm, 0, 1e9);
    ONE_OF(c, "schedule.name", r->schedule.name, "constant", "step", "cosine");
    in_range(c, "schedule.warmup_epochs", (double) r->schedule.warmup_epochs, 0, 100000);
    in_range(c, "schedule.min_lr", (double) r->schedule.min_lr, 0, 1000);
    in_range(c, "schedule.gamma", (double) r->schedule.gamma, 0, 1);
    in_range(c, "schedule.step_epochs", r->schedule.step_epochs, 1, 1e9);
}

vkd_result vkd_recipe_check(const struct vkd_recipe *r, char *why, size_t why_size)
{
    struct check c = { why, why_size, false };
    check_data(&c, r);
    check_optimizer(&c, r);
    ONE_OF(&c, "model.stem", r->model.stem, "cifar", "imagenet");
    in_range(&c, "model.width", r->model.width, 0, 1024);
    in_range(&c, "model.size", r->model.size, 4, 1792);    // evaluation resizes to 8/7 of it, at most 2048
    in_range(&c, "model.dropout", (double) r->model.dropout, -1, 0.99);
    in_range(&c, "label_smoothing", (double) r->label_smoothing, 0, 0.99);
    in_range(&c, "ema", (double) r->ema, 0, 0.9999999);
    in_range(&c, "batch", r->batch, 1, 1 << 20);
    in_range(&c, "accumulate", r->accumulate, 1, 1 << 16);
    in_range(&c, "epochs", r->epochs, 1, 1e9);
    ONE_OF(&c, "precision", r->precision, "fp32");
    if (!c.bad && r->batch % r->accumulate) {
        snprintf(why, why_size, "batch: expected a multiple of accumulate (%u), found %u", r->accumulate, r->batch);
        c.bad = true;
    }
    return c.bad ? VKD_INVALID : VKD_OK;
}
