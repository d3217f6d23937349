// recipe_check.c -- what can be wrong with a recipe before any data or device is seen.
#include <vkdiv/optimizer.h>
#include <vkdiv/recipe.h>

#include "../ssl.h"
#include "../suggest.h"
#include "inject.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// ---- Checks of one key ----

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

// -1 stands for the optimiser's or the method's own value `own`, which may be 0 where it has none.
static void own_or_range(struct check *c, const char *key, float value, float own, double low, double high)
{
    if (value != -1 && value != own)
        in_range(c, key, (double) value, low, high);
}

#define ONE_OF(c, key, value, ...) \
    one_of(c, key, value, (const char *const[]) { __VA_ARGS__ }, \
           sizeof((const char *const[]) { __VA_ARGS__ }) / sizeof(char *))

static void VKD_PRINTF(2, 3) refuse(struct check *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!c->bad)
        vsnprintf(c->why, c->size, format, args);
    va_end(args);
    c->bad = true;
}

// ---- Sections ----

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
    struct vkd_optimizer_config own;
    if (c->bad || vkd_optimizer_defaults(r->optimizer.name, &own) < 0)
        return;
    in_range(c, "optimizer.lr", (double) r->optimizer.lr, 0, 1000);
    own_or_range(c, "optimizer.momentum", r->optimizer.momentum, own.momentum, 0, 0.99999);
    own_or_range(c, "optimizer.weight_decay", r->optimizer.weight_decay, own.weight_decay, 0, 10);
    own_or_range(c, "optimizer.beta1", r->optimizer.beta1, own.beta1, 0, 0.99999);
    own_or_range(c, "optimizer.beta2", r->optimizer.beta2, own.beta2, 0, 0.999999);
    own_or_range(c, "optimizer.eps", r->optimizer.eps, own.eps, 1e-20, 1);
    own_or_range(c, "optimizer.eta", r->optimizer.eta, own.eta, 1e-9, 100);
    in_range(c, "optimizer.stage_decay", (double) r->optimizer.stage_decay, 1e-6, 1);
    in_range(c, "optimizer.clip_norm", (double) r->optimizer.clip_norm, 0, 1e9);
    ONE_OF(c, "schedule.name", r->schedule.name, "constant", "step", "cosine");
    in_range(c, "schedule.warmup_epochs", (double) r->schedule.warmup_epochs, 0, 100000);
    in_range(c, "schedule.min_lr", (double) r->schedule.min_lr, 0, 1000);
    in_range(c, "schedule.gamma", (double) r->schedule.gamma, 0, 1);
    in_range(c, "schedule.step_epochs", r->schedule.step_epochs, 1, 1e9);
    in_range(c, "optimizer.base_batch", r->optimizer.base_batch, 0, 1 << 20);
}

static void check_view(struct check *c, const char *section, const struct vkd_recipe_view *v)
{
    static const char *const jitter[] = { "brightness", "contrast", "saturation", "hue" };
    char key[48];
#define KEY(name) (snprintf(key, sizeof(key), "%s.%s", section, name), key)
    ONE_OF(c, KEY("filter"), v->filter, "bilinear", "bicubic");
    in_range(c, KEY("scale[0]"), (double) v->scale[0], 1e-4, 1);
    in_range(c, KEY("scale[1]"), (double) v->scale[1], (double) v->scale[0], 1);
    in_range(c, KEY("ratio[0]"), (double) v->ratio[0], 0.0625, 16);
    in_range(c, KEY("ratio[1]"), (double) v->ratio[1], (double) v->ratio[0], 16);
    in_range(c, KEY("flip"), (double) v->flip, 0, 1);
    for (int i = 0; i < 4 && !c->bad; i++) {
        double most = i < 3 ? 10 : 0.5, x = (double) v->jitter[i];
        if (!(x >= 0 && x <= most))
            refuse(c, "%s: expected a number from 0 to %g for the %s, found %.7g", KEY("jitter"), most, jitter[i], x);
    }
    in_range(c, KEY("jitter_p"), (double) v->jitter_p, 0, 1);
    in_range(c, KEY("gray"), (double) v->gray, 0, 1);
    in_range(c, KEY("blur"), (double) v->blur, 0, 1);
    in_range(c, KEY("sigma[0]"), (double) v->sigma[0], 0.01, 16);
    in_range(c, KEY("sigma[1]"), (double) v->sigma[1], (double) v->sigma[0], 16);
    in_range(c, KEY("solarize"), (double) v->solarize, 0, 1);
#undef KEY
}

static void check_views(struct check *c, const struct vkd_recipe *r)
{
    check_view(c, "view1", &r->view1);
    check_view(c, "view2", &r->view2);
    check_view(c, "crops", &r->crops.view);
    in_range(c, "crops.count", r->crops.count, 0, VKD__SSL_VIEWS_MAX - 2);
    if (r->crops.count)
        in_range(c, "crops.size", r->crops.size, 4, r->model.size);
}

static void check_ssl(struct check *c, const struct vkd_recipe *r)
{
    const struct vkd__ssl_method *m = vkd__ssl_find(r->method);
    const struct vkd__ssl_config own = m ? m->config : (struct vkd__ssl_config) { 0 };
    in_range(c, "ssl.projector_hidden", r->ssl.projector_hidden, 0, 65536);
    in_range(c, "ssl.projector_out", r->ssl.projector_out, 0, 65536);
    in_range(c, "ssl.predictor_hidden", r->ssl.predictor_hidden, 0, 65536);
    in_range(c, "ssl.prototypes", r->ssl.prototypes, 0, 65536);
    in_range(c, "ssl.projector_layers", r->ssl.projector_layers, 0, 8);
    in_range(c, "ssl.queue", r->ssl.queue, 0, 1 << 20);
    in_range(c, "ssl.iterations", r->ssl.iterations, 0, 100);
    own_or_range(c, "ssl.queue_start", r->ssl.queue_start, own.queue_start, 0, 1e6);
    own_or_range(c, "ssl.frozen_epochs", r->ssl.frozen_epochs, own.frozen_epochs, 0, 1e6);
    own_or_range(c, "ssl.temperature", r->ssl.temperature, own.temperature, 1e-3, 100);
    own_or_range(c, "ssl.teacher_temperature", r->ssl.teacher_temperature, own.teacher_temperature, 1e-3, 100);
    own_or_range(c, "ssl.momentum", r->ssl.momentum, own.momentum, 0, 1);
    own_or_range(c, "ssl.momentum_end", r->ssl.momentum_end, own.momentum_end, 0, 1);
    own_or_range(c, "ssl.center_momentum", r->ssl.center_momentum, own.center_momentum, 0, 1);
    own_or_range(c, "ssl.epsilon", r->ssl.epsilon, own.epsilon, 1e-3, 100);
    own_or_range(c, "ssl.lambda", r->ssl.lambda, own.lambda, 0, 1e6);
    own_or_range(c, "ssl.scale", r->ssl.scale, own.scale, 0, 1e6);
    own_or_range(c, "ssl.invariance", r->ssl.invariance, own.invariance, 0, 1e6);
    own_or_range(c, "ssl.variance", r->ssl.variance, own.variance, 0, 1e6);
    own_or_range(c, "ssl.covariance", r->ssl.covariance, own.covariance, 0, 1e6);
}

static void check_injection(struct check *c, const struct vkd_recipe *r)
{
    if (r->injection.mode)
        one_of(c, "injection.mode", r->injection.mode, vkd__inject_mode_names, VKD__INJECT_MODE_COUNT);
    in_range(c, "injection.start", (double) r->injection.start, 0, 1e6);
    in_range(c, "injection.end", (double) r->injection.end, 0, 1e6);
    in_range(c, "injection.max", (double) r->injection.max, 1e-6, 1);
    in_range(c, "injection.dose", (double) r->injection.dose, 0, 1e6);
    if (r->injection.label_fraction <= 0)
        refuse(c, "injection.label_fraction: expected more than 0, found %.7g; for a run without labels set "
               "injection.mode to ssl", (double) r->injection.label_fraction);
    in_range(c, "injection.label_fraction", (double) r->injection.label_fraction, 0, 1);
    in_range(c, "injection.head_depth", r->injection.head_depth, 0, 8);
    in_range(c, "injection.head_width", r->injection.head_width, 0, 65536);
    in_range(c, "injection.head_warmup", (double) r->injection.head_warmup, 0, 1e6);
    own_or_range(c, "injection.lr", r->injection.lr, -1, 0, 1000);
    in_range(c, "injection.ssl_weight", (double) r->injection.ssl_weight, 0, 1);
    in_range(c, "injection.freeze", r->injection.freeze, 0, 64);
    ONE_OF(c, "injection.bn", r->injection.bn, "batch", "frozen");
    if (!(r->injection.floor > 0 && r->injection.floor <= 1))
        refuse(c, "injection.floor: expected a share of the diversity that self-supervision reaches, above 0 and at most 1 "
               "(0.9: nine tenths of it), found %.7g", (double) r->injection.floor);
    in_range(c, "injection.kp", (double) r->injection.kp, 0, 1e6);
    in_range(c, "injection.ki", (double) r->injection.ki, 0, 1e6);
    in_range(c, "injection.hysteresis", (double) r->injection.hysteresis, 0, 1);
}

static void check_monitor(struct check *c, const struct vkd_recipe *r)
{
    in_range(c, "monitor.probe_lr", (double) r->monitor.probe_lr, 0, 1000);
    in_range(c, "monitor.images", r->monitor.images, 2, 1 << 20);
    in_range(c, "monitor.knn_k", r->monitor.knn_k, 1, 65536);
    if (r->monitor.knn_images)
        in_range(c, "monitor.knn_images", r->monitor.knn_images, r->monitor.knn_k, UINT32_MAX);
    in_range(c, "monitor.knn_temperature", (double) r->monitor.knn_temperature, 1e-3, 100);
    in_range(c, "monitor.score_lambda", (double) r->monitor.score_lambda, -1000, 1000);
}

// ---- Keys that depend on each other; `r` is resolved ----

static void check_method(struct check *c, const struct vkd_recipe *r)
{
    const struct vkd__ssl_method *m = vkd__ssl_find(r->method);
    bool labels_alone = !strcmp(r->injection.mode, "supervised");
    if (!m && !labels_alone)
        refuse(c, "injection.mode: expected supervised with method supervised, found %s; name a self-supervised method",
               r->injection.mode);
    if (!m && r->ssl.grad_cache)
        refuse(c, "ssl.grad_cache: expected a self-supervised method, found method supervised");
    if (!m || c->bad)
        return;
    if (r->crops.count && !m->crops)
        refuse(c, "crops.count: expected 0, for %s takes two views and no small ones; found %u", m->name,
               r->crops.count);
    if (r->ssl.grad_cache && r->accumulate < 2)
        refuse(c, "ssl.grad_cache: expected accumulate above 1, found %u: there is but one part to take the loss over",
               r->accumulate);
    uint32_t seen = r->ssl.grad_cache ? r->batch : r->batch / r->accumulate;
    if (seen < m->batch_min)
        refuse(c, "batch: expected at least %u images in %s's loss, found %u%s", m->batch_min, m->name, seen,
               r->accumulate > 1 && !r->ssl.grad_cache ? " (batch / accumulate; with ssl.grad_cache: batch)" : "");
    if (r->ssl.prototypes == 1)
        refuse(c, "ssl.prototypes: expected 2 or more, or 0 for the method's own number; found 1: with one there is nothing "
               "to tell apart");
    if (!m->queue && r->ssl.queue)
        refuse(c, "ssl.queue: expected 0, for %s keeps no queue; found %u", m->name, r->ssl.queue);
    if (m->queue && r->ssl.queue % seen)
        refuse(c, "ssl.queue: expected a multiple of the %u images that enter it at a time, found %u; the nearest is "
               "%u", seen, r->ssl.queue, r->ssl.queue < seen ? seen : (r->ssl.queue + seen / 2) / seen * seen);
}

static void check_times(struct check *c, const struct vkd_recipe *r)
{
    double start = (double) r->injection.start, end = (double) r->injection.end;
    enum vkd__inject_mode mode;
    bool known = vkd__inject_mode_find(r->injection.mode, &mode) == VKD_OK;
    if (c->bad || !known || mode <= VKD__INJECT_SUPERVISED || !r->epochs)      // without a step, times mean nothing
        return;
    if (start >= r->epochs)
        refuse(c, "injection.start: expected less than the run's %u epochs, found %.7g", r->epochs, start);
    bool window = mode == VKD__INJECT_LINEAR || mode == VKD__INJECT_COSINE || mode == VKD__INJECT_PULSE;
    if (window && end > 0 && end <= start)
        refuse(c, "injection.end: expected more than injection.start (%.7g), or 0 for the run's end; found %.7g", start,
               end);
    if (window && end > r->epochs)
        refuse(c, "injection.end: expected at most the run's %u epochs, found %.7g", r->epochs, end);
    if (mode == VKD__INJECT_PULSE && end <= 0)
        refuse(c, "injection.end: expected the time when a pulse of labels ends, found 0");
    if (mode == VKD__INJECT_BUDGET && !(r->injection.dose > 0))
        refuse(c, "injection.dose: expected the label-epochs that mode budget stops at, found 0");
    if (mode == VKD__INJECT_SEQUENTIAL && start + (double) r->injection.head_warmup >= r->epochs)
        refuse(c, "injection.head_warmup: expected less than the %.7g epochs after injection.start, found %.7g",
               r->epochs - start, (double) r->injection.head_warmup);
    if (mode != VKD__INJECT_FLOOR)
        return;
    if (start <= 0 && !r->init)
        refuse(c, "injection.start: expected more than 0 in mode floor: the floor is relative to what self-supervision "
               "reaches before labels come in (or name its weights with init)");
    if (!(r->injection.kp > 0 || r->injection.ki > 0))
        refuse(c, "injection.kp: expected a gain above 0 here or in injection.ki, found 0 in both");
}

static void check_names(struct check *c, const struct vkd_recipe *r)
{
    const char *methods[64] = { "supervised" };
    uint32_t count = 1;
    for (const struct vkd__ssl_method *m; count < 64 && (m = vkd__ssl_at(count - 1)); count++)
        methods[count] = m->name;
    one_of(c, "method", r->method, methods, count);
    ONE_OF(c, "model.stem", r->model.stem, "cifar", "imagenet");
    ONE_OF(c, "precision", r->precision, "fp32", "fp16", "bf16");
    ONE_OF(c, "init_part", r->init_part, "all", "backbone");
    if (!r->init && r->init_part && strcmp(r->init_part, "all"))
        refuse(c, "init_part: expected all without init, found %s", r->init_part);
    if (r->loss)
        ONE_OF(c, "loss", r->loss, "cross-entropy", "bce", "asl");
    ONE_OF(c, "class_weights", r->class_weights, "none", "balanced");
    if (r->loss && !strcmp(r->loss, "asl") && r->class_weights && strcmp(r->class_weights, "none"))
        refuse(c, "class_weights: expected none with loss asl, which balances by its exponents, found %s", r->class_weights);
    if (r->loss && strcmp(r->loss, "cross-entropy") && r->label_smoothing > 0)
        refuse(c, "label_smoothing: expected 0 with loss %s, found %.7g", r->loss, (double) r->label_smoothing);
}

vkd_result vkd_recipe_check(const struct vkd_recipe *r, char *why, size_t why_size)
{
    struct check c = { why, why_size, false };
    check_names(&c, r);
    check_data(&c, r);
    check_optimizer(&c, r);
    in_range(&c, "model.width", r->model.width, 0, 1024);
    in_range(&c, "model.size", r->model.size, 4, 1792);    // evaluation resizes to 8/7 of it, at most 2048
    if (r->model.channels && r->model.channels != 1 && r->model.channels != 3)
        refuse(&c, "model.channels: expected 1, 3 or 0 for those of the images, found %u", r->model.channels);
    in_range(&c, "model.dropout", (double) r->model.dropout, -1, 0.99);
    in_range(&c, "model.norm_momentum", (double) r->model.norm_momentum, 1e-6, 1);
    in_range(&c, "diversity_penalty", (double) r->diversity_penalty, 0, 1e6);
    in_range(&c, "label_smoothing", (double) r->label_smoothing, 0, 0.99);
    in_range(&c, "ema", (double) r->ema, 0, 0.9999999);
    in_range(&c, "batch", r->batch, 1, 1 << 20);
    in_range(&c, "accumulate", r->accumulate, 1, 1 << 16);
    in_range(&c, "epochs", r->epochs, 0, 1e9);
    in_range(&c, "loss_scale.start", (double) r->loss_scale.start, 1, 1 << 24);
    in_range(&c, "loss_scale.growth", (double) r->loss_scale.growth, 1, 1 << 24);
    in_range(&c, "loss_scale.backoff", (double) r->loss_scale.backoff, 1e-6, 0.999999);
    in_range(&c, "loss_scale.interval", r->loss_scale.interval, 1, 1 << 23);
    check_views(&c, r);
    check_ssl(&c, r);
    check_injection(&c, r);
    check_monitor(&c, r);
    if (!c.bad && r->batch % r->accumulate)
        refuse(&c, "batch: expected a multiple of accumulate (%u), found %u", r->accumulate, r->batch);
    if (!c.bad) {
        struct vkd_recipe full = *r;
        vkd_recipe_resolve(&full);
        check_method(&c, &full);
        check_times(&c, &full);
    }
    return c.bad ? VKD_INVALID : VKD_OK;
}
