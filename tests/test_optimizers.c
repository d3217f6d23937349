// test_optimizers.c -- optimisers on a device against PyTorch (tests/golden/optimizers.json) and
// against their references in double; clipping, accumulation, averaging, bad gradients, windows.
#include "gpu.h"
#include "optimizer_world.h"

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_int_eq((call), VKD_OK)

static vkd_device *dev;
static json_t *golden;

// ---- Numbers ----

// Elements no kernel may touch or be misled by: what the gaps between tensors hold.
static const float GAP = NAN;

static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float) (*state >> 8) / 8388608.0f - 1.0f;
}

// Fills the tensors of `tensors` with seeded noise, padding with 0, gaps with GAP.
static void fill(const struct world *w, const struct world_tensor *tensors, uint64_t total, uint32_t seed, float *data)
{
    for (uint64_t i = 0; i < total; i++)
        data[i] = GAP;
    for (uint32_t t = 0; t < w->tensor_count; t++) {
        const struct vkd_param_info *p = &w->infos[t];
        if (p->ofs + p->numel > total)
            continue;
        for (uint64_t i = 0; i < p->numel; i++)
            data[p->ofs + i] = i < tensors[t].count ? noise(&seed) : 0;
    }
}

static void zero(const struct world *w, uint32_t tensor, float *data)
{
    memset(data + w->infos[tensor].ofs, 0, w->infos[tensor].numel * sizeof(*data));
}

static void compare(const char *what, const float *found, const double *expected, const double *start, uint64_t count,
                    double tolerance)
{
    double scale = 0;
    for (uint64_t i = 0; i < count; i++)
        scale = fmax(scale, fmax(fabs(expected[i]), fabs(start[i])));
    for (uint64_t i = 0; i < count; i++) {
        double error = fabs((double) found[i] - expected[i]);
        ck_assert_msg(error <= tolerance * scale, "%s[%llu]: expected %.9g, found %.9g (error %.2g of %.2g)", what,
                      (unsigned long long) i, expected[i], (double) found[i], error, tolerance * scale);
    }
}

// ---- Recorded truth ----

static void golden_numbers(const json_t *array, float *data)
{
    for (uint32_t i = 0; i < json_array_size(array); i++)
        data[i] = (float) json_number_value(json_array_get(array, i));
}

static void golden_config(const json_t *c, struct vkd_optimizer_config *config)
{
    const json_t *options = json_object_get(c, "config");
    OK(vkd_optimizer_defaults(json_string_value(json_object_get(c, "name")), config));
    const struct { const char *key; double *out; } reals[] = {
        { "momentum", &config->momentum }, { "weight_decay", &config->weight_decay }, { "beta1", &config->beta1 },
        { "beta2", &config->beta2 }, { "eta", &config->eta }, { "clip_norm", &config->clip_norm },
        { "ema_decay", &config->ema_decay },
    };
    const struct { const char *key; bool *out; } flags[] = {
        { "nesterov", &config->nesterov }, { "clip_lr", &config->clip_lr },
        { "decay_norm_bias", &config->decay_norm_bias },
    };
    size_t used = 0;
    for (uint32_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++)
        if (json_object_get(options, reals[i].key) && ++used)
            *reals[i].out = json_number_value(json_object_get(options, reals[i].key));
    for (uint32_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (json_object_get(options, flags[i].key) && ++used)
            *flags[i].out = json_is_true(json_object_get(options, flags[i].key));
    ck_assert_uint_eq(used, json_object_size(options));
}

// The groups of the recorded cases that have some: tensor i is in group groups[i] of the file.
enum { GOLDEN = 5 };
static const char *const golden_names[GOLDEN] = { "a", "b", "c", "d", "e" };
static struct vkd_optimizer_group golden_groups[GOLDEN];

static void golden_world(struct world *w, struct world_tensor tensors[WORLD_MAX])
{
    const json_t *start = json_object_get(golden, "start"), *ranks = json_object_get(golden, "ranks");
    uint32_t count = (uint32_t) json_array_size(start);
    ck_assert_uint_eq(count, GOLDEN);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t rank = (uint32_t) json_integer_value(json_array_get(ranks, i));
        tensors[i] = (struct world_tensor) { golden_names[i], (uint32_t) json_array_size(json_array_get(start, i)), rank,
                                             rank == 1, false };
    }
    world_open(w, dev, tensors, count);
}

static void golden_scatter(const struct world *w, const json_t *arrays, float *data)
{
    memset(data, 0, w->total * sizeof(*data));
    for (uint32_t i = 0; i < w->tensor_count; i++)
        golden_numbers(json_array_get(arrays, i), data + w->infos[i].ofs);
}

// Compares the tensors of `found` (floats, or doubles where it is NULL) with the recorded ones.
static void golden_compare(const char *what, const struct world *w, const json_t *arrays, const float *found,
                           const double *exact)
{
    for (uint32_t i = 0; i < w->tensor_count; i++) {
        const json_t *a = json_array_get(arrays, i);
        const json_t *s = json_array_get(json_object_get(golden, "start"), i);
        double scale = 0;
        for (uint32_t k = 0; k < json_array_size(a); k++)
            scale = fmax(scale, fmax(fabs(json_number_value(json_array_get(a, k))),
                                     fabs(json_number_value(json_array_get(s, k)))));
        for (uint32_t k = 0; k < json_array_size(a); k++) {
            double expected = json_number_value(json_array_get(a, k));
            double value = found ? (double) found[w->infos[i].ofs + k] : exact[w->infos[i].ofs + k];
            ck_assert_msg(fabs(value - expected) <= (found ? 1e-6 : 1e-10) * scale,
                          "%s, tensor %u[%u]: recorded %.12g, found %.12g", what, i, k, expected, value);
        }
    }
}

START_TEST(recorded)
{
    struct world_tensor tensors[WORLD_MAX];
    struct vkd_optimizer_config config;
    struct world w;
    struct mirror m;
    const json_t *one = json_array_get(json_object_get(golden, "cases"), (size_t) _i);
    const json_t *all_rates = json_object_get(one, "rates"), *group_of = json_object_get(golden, "groups");
    golden_config(one, &config);
    golden_world(&w, tensors);
    for (uint32_t i = 0; i < GOLDEN; i++)
        golden_groups[i] = (struct vkd_optimizer_group) { golden_names[i], 1, 1,
                                                          (uint32_t) json_integer_value(json_array_get(group_of, i)) };
    config.groups = golden_groups;
    config.group_count = all_rates ? GOLDEN : 0;
    double rates[VKD_LR_GROUPS] = { 0 };
    w.rates = all_rates ? rates : NULL;
    float *data = malloc(w.total * sizeof(*data)), *g = malloc(w.total * sizeof(*g));
    golden_scatter(&w, json_object_get(golden, "start"), data);
    world_write(&w, w.values, data, w.total);
    world_start(&w, &config);
    mirror_open(&m, data, w.total);

    for (uint32_t t = 0; t < 5; t++) {
        double lr = json_number_value(json_array_get(json_object_get(golden, "lrs"), t));
        golden_scatter(&w, json_array_get(json_object_get(golden, "grads"), t), g);
        for (uint32_t i = 0; all_rates && i < GOLDEN; i++) {
            double rate = json_number_value(json_array_get(json_array_get(all_rates, t), i));
            rates[golden_groups[i].schedule] = rate;
            for (uint64_t k = 0; rate == 0 && k < w.infos[i].numel; k++)
                g[w.infos[i].ofs + k] = NAN;
        }
        mirror_step(&m, &w, &config, lr, g);
        world_micro(&w, 0, g, 0);
        struct vkd_metrics_block metrics = world_update(&w, lr);
        ck_assert_uint_eq(metrics.nonfinite, 0);
        const json_t *norms = json_object_get(one, "grad_norm");
        if (norms)
            ck_assert_double_eq_tol((double) metrics.grad_norm / json_number_value(json_array_get(norms, t)), 1, 1e-6);
        if (t == 0 || t == 4) {
            const json_t *after = json_object_get(one, t ? "after5" : "after1");
            world_read(&w, w.values, data, w.total);
            golden_compare(config.name, &w, after, NULL, m.p);
            golden_compare(config.name, &w, after, data, NULL);
        }
    }
    if (config.ema_decay > 0) {
        world_read(&w, vkd_optimizer_ema(w.opt).buffer, data, w.total);
        golden_compare("ema", &w, json_object_get(one, "ema"), data, NULL);
    }
    mirror_close(&m);
    world_close(&w);
    free(data);
    free(g);
}
END_TEST

// ---- Odd sizes, all features at once ----

static const struct world_tensor odd[] = {
    { "head.one", 1, 2, false, false },
    { "head.three", 3, 1, true, false },
    { "past_chunk", 4097, 4, false, false },
    { "zero", 50, 2, false, false },            // starts at zero
    { "still", 131, 4, false, false },          // gradient is zero
    { "large", 100000, 4, false, false },
    { "frozen.weight", 5000, 2, false, false }, // lr factor 0, gradient NaN
    { "frozen.bias", 64, 1, true, false },
    { "norm.bias", 4096, 1, true, false },
    { "running_mean", 513, 1, true, true },
};
enum { ODD = sizeof(odd) / sizeof(odd[0]), ZERO = 3, STILL = 4, FROZEN = 6 };

static const struct vkd_optimizer_group groups[] = {
    { "head.", 0.25f, 1, 0 }, { "past", 1, 2, 0 }, { "frozen", 0, 1, 0 }, { "frozen.bias", 1, 1, 0 },
};

static void odd_config(uint32_t index, struct vkd_optimizer_config *c)
{
    OK(vkd_optimizer_defaults(vkd_optimizer_name(index), c));
    c->weight_decay = 0.03;
    c->decay_norm_bias = false;
    c->nesterov = true;
    c->clip_norm = 150;         // some steps are clipped, some are not
    c->ema_decay = 0.9;
    c->groups = groups;
    c->group_count = sizeof(groups) / sizeof(groups[0]);
}

static void odd_values(const struct world *w, float *data)
{
    fill(w, odd, w->total, 7, data);
    zero(w, ZERO, data);
}

static void odd_gradients(const struct world *w, uint32_t step, float *data)
{
    fill(w, odd, w->trainable, 100 + step, data);
    for (uint64_t i = 0; i < w->trainable; i++)
        data[i] *= step % 2 ? 1.0f : 0.3f;
    zero(w, STILL, data);
    for (uint64_t i = 0; i < w->infos[FROZEN].numel; i++)
        data[w->infos[FROZEN].ofs + i] = NAN;
}

static double odd_lr(uint32_t step)
{
    return 0.05 / (1 + step);
}

// What stands between the tensors of a flat buffer.
static bool gaps_kept(const struct world *w, const float *data)
{
    for (uint32_t t = 0; t + 1 < w->tensor_count; t++)
        for (uint64_t i = w->infos[t].ofs + w->infos[t].numel; i < w->infos[t + 1].ofs; i++)
            if (!isnan(data[i]))
                return false;
    return true;
}

START_TEST(odd_sizes)
{
    struct vkd_optimizer_config config;
    struct world w;
    struct mirror m;
    world_open(&w, dev, odd, ODD);
    odd_config((uint32_t) _i, &config);
    float *data = malloc(w.total * sizeof(*data)), *g = malloc(w.total * sizeof(*g));
    double *ema = malloc(w.total * sizeof(*ema));
    odd_values(&w, data);
    world_write(&w, w.values, data, w.total);
    world_start(&w, &config);
    mirror_open(&m, data, w.total);
    memcpy(ema, m.p, w.total * sizeof(*ema));

    for (uint32_t t = 0; t < 6; t++) {
        odd_gradients(&w, t, g);
        double norm = mirror_step(&m, &w, &config, odd_lr(t), g);
        for (uint64_t i = 0; i < w.total; i++)
            ema[i] = config.ema_decay * ema[i] + (1 - config.ema_decay) * m.p[i];
        world_micro(&w, 0, g, 2.5f);
        struct vkd_metrics_block metrics = world_update(&w, odd_lr(t));
        ck_assert_double_eq_tol((double) metrics.grad_norm / norm, 1, 1e-6);
        ck_assert_float_eq(metrics.loss, 2.5f);
        ck_assert_uint_eq(metrics.nonfinite_count, 0);
    }
    world_read(&w, w.values, data, w.total);
    ck_assert(gaps_kept(&w, data));
    world_read(&w, vkd_optimizer_ema(w.opt).buffer, g, w.total);
    for (uint32_t t = 0; t < ODD; t++) {
        const struct vkd_param_info *p = &w.infos[t];
        compare(p->name, data + p->ofs, m.p + p->ofs, m.start + p->ofs, p->numel, 2e-6);
        compare("ema", g + p->ofs, ema + p->ofs, m.start + p->ofs, p->numel, 2e-6);
        for (uint64_t i = odd[t].count; i < p->numel; i++)
            ck_assert_msg(data[p->ofs + i] == 0, "%s: padding %g", p->name, (double) data[p->ofs + i]);
    }
    mirror_close(&m);
    world_close(&w);
    free(data);
    free(g);
    free(ema);
}
END_TEST

// Runs 3 steps and returns everything a step changes (malloc'd), and its length.
static float *outcome(const struct vkd_optimizer_config *config, uint64_t range_max, uint32_t group_max,
                      uint64_t *count, uint32_t *windows)
{
    struct world w;
    world_open(&w, dev, odd, ODD);
    if (range_max)
        w.caps.storage_range_max = range_max;
    if (group_max)
        w.caps.group_count_max[0] = group_max;
    float *data = calloc(4 * w.total, sizeof(*data)), *g = malloc(w.total * sizeof(*g));
    odd_values(&w, data);
    world_write(&w, w.values, data, w.total);
    world_start(&w, config);
    for (uint32_t t = 0; t < 3; t++) {
        for (uint32_t k = 0; k < config->accumulation; k++) {
            odd_gradients(&w, 10 * t + k, g);
            world_micro(&w, k, g, 1);
        }
        world_update(&w, odd_lr(t));
    }
    *count = world_snapshot(&w, data, 4 * w.total);
    *windows = w.opt->chunked.count * 10000 + w.opt->flat.count * 100 + w.opt->all.count;
    world_close(&w);
    free(g);
    return data;
}

START_TEST(windows_and_reruns)
{
    struct vkd_optimizer_config config;
    odd_config((uint32_t) _i, &config);
    config.accumulation = 2;
    uint64_t count, same;
    uint32_t windows;
    float *whole = outcome(&config, 0, 0, &count, &windows);
    ck_assert_uint_eq(windows, 10101);

    const struct { uint64_t range_max; uint32_t group_max; } limits[] = {
        { 0, 0 }, { 65536, 0 }, { 40000, 0 }, { 0, 11 }, { 100000, 13 },
    };
    for (uint32_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        float *again = outcome(&config, limits[i].range_max, limits[i].group_max, &same, &windows);
        ck_assert_msg(!i || windows > 30303, "row %u: %u", i, windows);
        ck_assert_uint_eq(same, count);
        ck_assert_msg(!memcmp(again, whole, count * sizeof(*whole)), "row %u differs", i);
        free(again);
    }
    free(whole);
}
END_TEST

// ---- Bad gradients ----

START_TEST(nonfinite_changes_nothing)
{
    struct vkd_optimizer_config config;
    struct world w;
    const float bad[] = { NAN, INFINITY, -INFINITY, 3e38f };
    world_open(&w, dev, odd, ODD);
    odd_config((uint32_t) _i, &config);
    config.accumulation = 2;
    float *before = calloc(4 * w.total, sizeof(float)), *after = calloc(4 * w.total, sizeof(float));
    float *g = malloc(w.total * sizeof(*g));
    odd_values(&w, before);
    world_write(&w, w.values, before, w.total);
    world_start(&w, &config);

    odd_gradients(&w, 0, g);
    world_micro(&w, 0, g, 1);
    world_micro(&w, 1, g, 3);
    struct vkd_metrics_block metrics = world_update(&w, 0.1);
    ck_assert_uint_eq(metrics.nonfinite, 0);
    ck_assert_float_eq(metrics.loss, 2);
    uint64_t count = world_snapshot(&w, before, 4 * w.total);
    for (uint32_t b = 0; b < 5; b++) {      // the last: a bad loss
        for (uint32_t k = 0; k < 2; k++) {
            odd_gradients(&w, k, g);
            if (k == b % 2 && b < 4)
                g[w.infos[5].ofs + 77777] = bad[b];
            world_micro(&w, k, g, b == 4 && k == 0 ? NAN : 1);
        }
        metrics = world_update(&w, 0.1);
        ck_assert_uint_eq(metrics.nonfinite, 1);
        ck_assert_uint_eq(metrics.nonfinite_count, b + 1);
        ck_assert_uint_eq(metrics.nonfinite_step, 1);
        ck_assert_uint_eq(world_snapshot(&w, after, 4 * w.total), count);
        ck_assert_msg(!memcmp(before, after, count * sizeof(*before)), "bad value %u changed something", b);
    }

    // The next good step is as if nothing had happened.
    odd_gradients(&w, 0, g);
    world_micro(&w, 0, g, 1);
    world_micro(&w, 1, g, 1);
    metrics = world_update(&w, 0.1);
    ck_assert_uint_eq(metrics.nonfinite, 0);
    ck_assert_uint_eq(metrics.nonfinite_count, 5);
    ck_assert_float_eq(metrics.loss, 1);
    world_read(&w, w.values, after, w.total);
    ck_assert(isfinite(after[w.infos[5].ofs + 77777]));
    ck_assert(after[w.infos[5].ofs + 77777] != before[w.infos[5].ofs + 77777]);
    world_close(&w);
    free(before);
    free(after);
    free(g);
}
END_TEST

// ---- Accumulation, steady state, errors ----

START_TEST(accumulation_equals_one_batch)
{
    struct vkd_optimizer_config config;
    struct world w;
    world_open(&w, dev, odd, ODD);
    float *start = malloc(w.total * sizeof(float)), *g = malloc(w.total * sizeof(float));
    float *mean = calloc(w.total, sizeof(float)), *one = malloc(w.total * sizeof(float));
    odd_values(&w, start);
    odd_config(4, &config);
    for (uint32_t pass = 0; pass < 2; pass++) {
        config.accumulation = pass ? 4 : 1;
        world_write(&w, w.values, start, w.total);
        world_start(&w, &config);
        for (uint32_t t = 0; t < 2; t++) {
            memset(mean, 0, w.total * sizeof(*mean));
            for (uint32_t k = 0; k < 4; k++) {
                odd_gradients(&w, 10 * t + k, g);
                for (uint64_t i = 0; i < w.trainable; i++)
                    mean[i] += g[i] / 4;        // exact scaling
                if (pass)
                    world_micro(&w, k, g, (float) k);
            }
            if (!pass)
                world_micro(&w, 0, mean, 1.5f);
            ck_assert_float_eq(world_update(&w, odd_lr(t)).loss, 1.5f);
        }
        if (!pass)
            world_read(&w, w.values, one, w.total);
        world_stop(&w);
    }
    world_read(&w, w.values, g, w.total);
    for (uint32_t t = 0; t < ODD; t++)
        for (uint64_t i = w.infos[t].ofs; i < w.infos[t].ofs + w.infos[t].numel; i++)
            ck_assert_msg(fabsf(one[i] - g[i]) <= 2e-6f, "%s: %g, %g", odd[t].name, (double) one[i], (double) g[i]);
    world_close(&w);
    free(start);
    free(g);
    free(mean);
    free(one);
}
END_TEST

START_TEST(steady_state_makes_nothing)
{
    struct vkd_optimizer_config config;
    struct world w;
    world_open(&w, dev, odd, ODD);
    odd_config((uint32_t) _i, &config);
    float *g = malloc(w.total * sizeof(*g));
    odd_values(&w, g);
    world_write(&w, w.values, g, w.total);
    world_start(&w, &config);
    struct vkd_device_stats before = { 0 };
    for (uint32_t t = 0; t < 5; t++) {
        odd_gradients(&w, t, g);
        world_micro(&w, 0, g, 1);
        world_update(&w, 0.1);
        if (t == 1)
            before = vkd_device_stats(dev);
    }
    struct vkd_device_stats after = vkd_device_stats(dev);
    ck_assert_uint_eq(after.memory_allocations, before.memory_allocations);
    ck_assert_uint_eq(after.buffers, before.buffers);
    ck_assert_uint_eq(after.pipelines, before.pipelines);
    ck_assert_uint_eq(after.descriptor_sets, before.descriptor_sets);
    world_close(&w);
    free(g);
}
END_TEST

START_TEST(bad_configs)
{
    struct vkd_optimizer_config c, untouched;
    struct world w;
    memset(&c, 0x5a, sizeof(c));
    memcpy(&untouched, &c, sizeof(c));
    ck_assert_int_eq(vkd_optimizer_defaults("sgdd", &c), VKD_INVALID);
    ck_assert(!memcmp(&c, &untouched, sizeof(c)));
    ck_assert_ptr_null(vkd_optimizer_name(5));

    const struct vkd_optimizer_group negative = { "x", -1, 1, 0 }, all = { "", 0, 1, 0 },
                                     beyond = { "x", 1, 1, VKD_LR_GROUPS };
    const struct vkd_optimizer_config bad[] = {
        { .name = "none" }, { .name = NULL }, { .name = "sgd", .momentum = 1 }, { .name = "sgd", .momentum = NAN },
        { .name = "sgd", .weight_decay = -1 }, { .name = "sgd", .clip_norm = INFINITY },
        { .name = "sgd", .ema_decay = 1 }, { .name = "adam", .eps = 0 }, { .name = "adam", .eps = 1e-8, .beta2 = 1 },
        { .name = "lars", .eps = 1e-8, .eta = 0 }, { .name = "sgd", .groups = &negative, .group_count = 1 },
        { .name = "sgd", .groups = &beyond, .group_count = 1 },
        { .name = "sgd", .groups = &all, .group_count = 1 },        // nothing left to train
    };
    world_open(&w, dev, odd, ODD);
    unsigned errors = gpu_errors;
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(vkd__optimizer_create_on(&(struct vkd__optimizer_target) {
            .dev = dev, .caps = &w.caps, .values = { w.values, 0, 0 }, .trainable = { w.values, 0, 4 * w.trainable },
            .gradients = { w.gradients, 0, 0 }, .params = w.infos, .param_count = w.tensor_count,
        }, &bad[i], &w.opt) == VKD_INVALID, "row %u", i);
        ck_assert_ptr_null(w.opt);
        ck_assert_uint_eq(gpu_errors, errors + i + 1);
    }
    gpu_errors = errors;
    world_close(&w);
}
END_TEST

// ---- Parameters of a graph ----

START_TEST(parameters_of_a_graph)
{
    vkd_graph *g = NULL;
    vkd_params *params = NULL;
    vkd_optimizer *opt = NULL;
    vkd_commands *cmds = NULL;
    struct vkd_optimizer_config config;
    struct vkd_step_block block = { 0 };
    uint64_t ticket;
    uint32_t count;
    OK(vkd_graph_create(vkd_device_log(dev), &g));
    vkd_param(g, &(struct vkd_param_params) { .name = "conv.weight", .shape = { { 3, 3, 4, 5 } }, .logical_in = 3,
                                             .init = VKD_INIT_KAIMING_FAN_OUT });
    vkd_param(g, &(struct vkd_param_params) { .name = "bn.weight", .shape = { { 1, 1, 1, 5 } }, .init = VKD_INIT_ONE,
                                              .no_decay = true });
    vkd_param(g, &(struct vkd_param_params) { .name = "bn.running_mean", .shape = { { 1, 1, 1, 5 } }, .state = true });
    OK(vkd_params_create(dev, g, true, &params));
    OK(vkd_params_init(params, 1));
    OK(vkd_optimizer_defaults("adamw", &config));
    config.weight_decay = 0.5;
    config.decay_norm_bias = false;
    config.ema_decay = 0.5;
    OK(vkd_optimizer_create(dev, params, &config, &opt));
    const struct vkd_optimizer_state *states = vkd_optimizer_states(opt, &count);
    ck_assert_uint_eq(count, 4);
    ck_assert_str_eq(states[0].name, "exp_avg");
    ck_assert_str_eq(states[1].name, "exp_avg_sq");
    ck_assert_str_eq(states[2].name, "ema");
    ck_assert_uint_eq(states[2].range.size, vkd_params_values(params).size);
    ck_assert_str_eq(states[3].name, "bias");

    // Gradients are zero: one step with lr 1 halves what decays and leaves norms alone.
    uint32_t weight = (uint32_t) vkd_params_find(params, "conv.weight");
    uint32_t gamma = (uint32_t) vkd_params_find(params, "bn.weight");
    float before[3 * 3 * 4 * 8], after[3 * 3 * 4 * 8], ones[8];
    ck_assert_uint_eq(vkd_params_at(params, weight)->numel, 3 * 3 * 4 * 8);
    OK(vkd_params_read(params, weight, before));
    vkd_buffer *step = NULL;
    OK(vkd_buffer_create(dev, sizeof(block), VKD_MEMORY_DEVICE, &step));
    OK(vkd_commands_create(dev, &cmds));
    OK(vkd_commands_begin(cmds));
    vkd_optimizer_record(opt, cmds, (struct vkd_range) { step, 0, sizeof(block) });
    OK(vkd_commands_end(cmds));
    vkd_optimizer_step_values(opt, 0, 1, &block);
    OK(vkd_buffer_write(dev, step, 0, &block, sizeof(block)));
    OK(vkd_submit(dev, &cmds, 1, &ticket));
    OK(vkd_wait(dev, ticket, UINT64_MAX, NULL));
    OK(vkd_params_read(params, weight, after));
    OK(vkd_params_read(params, gamma, ones));
    for (uint32_t i = 0; i < 3 * 3 * 4 * 8; i++)
        ck_assert_float_eq(after[i], 0.5f * before[i]);
    ck_assert_float_eq(ones[4], 1);

    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &step);
    vkd_optimizer_destroy(&opt);
    vkd_params_destroy(&params);
    vkd_graph_destroy(&g);
}
END_TEST

int main(void)
{
    golden = json_load_file(VKD_SOURCE_DIR "/tests/golden/optimizers.json", 0, NULL);
    dev = gpu_open();
    if (!golden || !dev)
        return EXIT_FAILURE;
    int cases = (int) json_array_size(json_object_get(golden, "cases"));
    Suite *s = suite_create("optimizers");
    TCase *c = tcase_create("optimizers");
    tcase_set_timeout(c, 0);
    tcase_add_loop_test(c, recorded, 0, cases);
    tcase_add_loop_test(c, odd_sizes, 0, 5);
    tcase_add_loop_test(c, windows_and_reruns, 0, 5);
    tcase_add_loop_test(c, nonfinite_changes_nothing, 0, 5);
    tcase_add_loop_test(c, steady_state_makes_nothing, 0, 5);
    tcase_add_test(c, accumulation_equals_one_batch);
    tcase_add_test(c, bad_configs);
    tcase_add_test(c, parameters_of_a_graph);
    suite_add_tcase(s, c);
    int status = gpu_run(s);
    json_decref(golden);
    unsigned messages = (unsigned) vkd_device_stats(dev).validation_messages;
    vkd_device_destroy(&dev);
    return status || messages || gpu_errors ? EXIT_FAILURE : EXIT_SUCCESS;
}
