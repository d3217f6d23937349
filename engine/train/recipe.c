// recipe.c -- a recipe's defaults, its table of keys, and what a method or an optimiser fills in.
#include <vkdiv/optimizer.h>
#include <vkdiv/recipe.h>

#include "../ssl.h"

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
    struct vkd_recipe_view small = view;
    small.scale[0] = 0.05f;
    small.scale[1] = 0.14f;
    *r = (struct vkd_recipe) {
        .method = "supervised", .view1 = view, .view2 = view, .crops = { .size = 16, .view = small },
        .data = { .mean = { 0.5f, 0.5f, 0.5f }, .std = { 0.25f, 0.25f, 0.25f }, .shuffle = true, .bad_limit = 10 },
        .augment = { .name = "none", .pad = 4, .scale = { 0.08f, 1.0f }, .ratio = { 0.75f, 4.0f / 3.0f }, .flip = 0.5f },
        .model = { .arch = "resnet18", .stem = "cifar", .size = 32, .dropout = -1.0f, .norm_momentum = 0.1f },
        .optimizer = { .name = "sgd", .lr = 0.1f, .momentum = -1, .weight_decay = -1, .beta1 = -1, .beta2 = -1, .eps = -1,
                       .eta = -1, .decay_norm_bias = true, .stage_decay = 1 },
        .schedule = { .name = "cosine", .gamma = 0.1f, .step_epochs = 30 },
        .ssl = { .queue_start = -1, .frozen_epochs = -1, .temperature = -1, .teacher_temperature = -1, .momentum = -1,
                 .momentum_end = -1, .center_momentum = -1, .epsilon = -1, .lambda = -1, .scale = -1, .invariance = -1,
                 .variance = -1, .covariance = -1 },
        .injection = { .max = 1, .label_fraction = 1, .lr = -1, .bn = "batch", .floor = 0.9f, .kp = 2, .ki = 0.5f,
                       .hysteresis = 0.01f },
        .monitor = { .probe = true, .probe_lr = 0.1f, .images = 1024, .knn_k = 20, .knn_temperature = 0.07f },
        .batch = 128, .accumulate = 1, .epochs = 10, .eval_every = 1, .checkpoint_minutes = 5,
        .class_weights = "none", .init_part = "all", .precision = "fp32",
        .loss_scale = { .start = 65536, .growth = 2, .backoff = 0.5f, .interval = 2000 },
    };
}

static void resolve_optimizer(struct vkd_recipe *r)
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
    double scale = r->optimizer.base_batch ? (double) r->batch / r->optimizer.base_batch : 1;
    r->optimizer.lr = (float) (scale * (double) r->optimizer.lr);
    r->injection.lr = (float) (scale * (double) r->injection.lr);      // negative stays negative
    r->optimizer.base_batch = 0;
}

static void resolve_ssl(struct vkd_recipe *r)
{
    const struct vkd__ssl_method *m = vkd__ssl_find(r->method);
    if (!m)
        return;
#define SIZE(name) if (!r->ssl.name) r->ssl.name = m->config.name
#define NUMBER(name) if (r->ssl.name < 0) r->ssl.name = m->config.name
    SIZE(projector_hidden); SIZE(projector_out); SIZE(projector_layers); SIZE(predictor_hidden);
    SIZE(prototypes); SIZE(queue); SIZE(iterations);
    NUMBER(queue_start); NUMBER(frozen_epochs); NUMBER(temperature); NUMBER(teacher_temperature);
    NUMBER(momentum); NUMBER(momentum_end); NUMBER(center_momentum); NUMBER(epsilon);
    NUMBER(lambda); NUMBER(scale); NUMBER(invariance); NUMBER(variance); NUMBER(covariance);
#undef SIZE
#undef NUMBER
}

void vkd_recipe_resolve(struct vkd_recipe *r)
{
    resolve_optimizer(r);
    resolve_ssl(r);
    if (!r->injection.mode)
        r->injection.mode = !strcmp(r->method, "supervised") ? "supervised" : "ssl";
    if (r->injection.lr < 0)
        r->injection.lr = r->optimizer.lr;
}
