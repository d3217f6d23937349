// test_optimizer_groups.c -- learning rates of their own, and groups that stay as they are for some steps.
#include "gpu.h"
#include "optimizer_world.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static vkd_device *dev;

static const struct world_tensor tensors[] = {
    { "backbone.conv", 20000, 4, false, false }, { "backbone.bias", 67, 1, true, false },
    { "head.weight", 9000, 2, false, false },    { "head.bias", 10, 1, true, false },
    { "predictor.weight", 4100, 2, false, false }, { "backbone.running_mean", 67, 1, true, true },
};
enum { COUNT = sizeof(tensors) / sizeof(tensors[0]), TRAINED = 5, STEPS = 6 };

// Which group of rates each of the trained tensors is in.
static const struct vkd_optimizer_group groups[] = {
    { "", 1, 1, 3 }, { "head.", 0.5f, 1, 7 }, { "predictor.", 1, 0, 1 },
};

static void rates_of(uint32_t step, double rates[VKD_LR_GROUPS])
{
    for (uint32_t i = 0; i < VKD_LR_GROUPS; i++)
        rates[i] = 77;                              // of groups nobody is in
    rates[3] = step == 2 || step == 3 ? 0 : 0.05 / (1 + step);
    rates[7] = step < 2 ? 0 : 0.02;                 // a head that comes later
    rates[1] = 0.01;
}

static bool frozen(uint32_t step, uint32_t tensor)
{
    double rates[VKD_LR_GROUPS];
    rates_of(step, rates);
    return rates[tensor < 2 ? 3 : tensor < 4 ? 7 : 1] == 0;
}

static void configure(uint32_t index, struct vkd_optimizer_config *c)
{
    ck_assert_int_eq(vkd_optimizer_defaults(vkd_optimizer_name(index), c), VKD_OK);
    c->weight_decay = 0.03;
    c->clip_norm = 40;
    c->ema_decay = 0.9;
    c->clip_lr = true;
    c->groups = groups;
    c->group_count = sizeof(groups) / sizeof(groups[0]);
}

// Seeded noise where tensors are; elsewhere, and where `nan` says so, NaN.
static void fill(const struct world *w, uint64_t total, uint32_t seed, const bool *nan, float *data)
{
    for (uint64_t i = 0; i < total; i++)
        data[i] = NAN;
    for (uint32_t t = 0; t < COUNT; t++) {
        const struct vkd_param_info *p = &w->infos[t];
        for (uint64_t i = 0; i < p->numel && p->ofs + p->numel <= total && !(nan && nan[t]); i++) {
            seed = seed * 1664525u + 1013904223u;
            data[p->ofs + i] = i < tensors[t].count ? (float) (seed >> 8) / 8388608.0f - 1.0f : 0;
        }
    }
}

static void gradients(const struct world *w, uint32_t step, float *data)
{
    bool stale[COUNT];
    for (uint32_t t = 0; t < COUNT; t++)
        stale[t] = frozen(step, t);
    fill(w, w->trainable, 100 + step, stale, data);
}

static struct vkd_metrics_block step_once(struct world *w, uint32_t step, float *g, struct mirror *m,
                                          const struct vkd_optimizer_config *c)
{
    double rates[VKD_LR_GROUPS];
    rates_of(step, rates);
    w->rates = rates;
    gradients(w, step, g);
    double norm = m ? mirror_step(m, w, c, 1, g) : 0;
    world_micro(w, 0, g, 1);
    struct vkd_metrics_block metrics = world_update(w, 1);
    ck_assert_uint_eq(metrics.nonfinite, 0);
    if (m)
        ck_assert_double_eq_tol((double) metrics.grad_norm / norm, 1, 1e-6);
    w->rates = NULL;
    return metrics;
}

// The part of `tensor` in every flat buffer of a snapshot that has the values' layout or the trainable values'.
static bool same_tensor(const struct world *w, uint32_t tensor, const float *a, const float *b, uint32_t state_count)
{
    const struct vkd_param_info *p = &w->infos[tensor];
    uint64_t at = p->ofs;
    for (uint32_t i = 0; i <= state_count; i++) {
        if (memcmp(a + at, b + at, p->numel * sizeof(*a)))
            return false;
        at += i ? w->trainable : w->total;
    }
    return true;
}

START_TEST(rates_and_frozen_groups)
{
    struct vkd_optimizer_config config;
    struct world w;
    struct mirror m;
    configure((uint32_t) _i, &config);
    world_open(&w, dev, tensors, COUNT);
    float *before = calloc(5 * w.total, 4), *after = calloc(5 * w.total, 4), *g = malloc(4 * w.total);
    fill(&w, w.total, 7, NULL, before);
    world_write(&w, w.values, before, w.total);
    world_start(&w, &config);
    mirror_open(&m, before, w.total);
    uint32_t states = w.opt->rule->states[1] ? 2 : 1;
    for (uint32_t step = 0; step < STEPS; step++) {
        world_snapshot(&w, before, 5 * w.total);
        struct vkd_metrics_block metrics = step_once(&w, step, g, &m, &config);
        world_snapshot(&w, after, 5 * w.total);
        for (uint32_t t = 0; t < TRAINED; t++)
            ck_assert_msg(same_tensor(&w, t, before, after, states) == frozen(step, t), "%s, step %u, %s", config.name,
                          step, tensors[t].name);
        for (uint32_t i = 0; i < VKD_LR_GROUPS && states == 2; i++) {
            double done = i == 3 && step >= 2 ? fmax(step - 1.0, 2) : i == 7 ? fmax(step - 1.0, 0) : step + 1.0;
            ck_assert_double_eq_tol((double) metrics.bias[2 * i], 1 - pow(config.beta1, done), 1e-6);
            ck_assert_double_eq_tol((double) metrics.bias[2 * i + 1], 1 - pow(config.beta2, done), 1e-6);
        }
    }
    for (uint32_t t = 0; t < COUNT; t++) {
        const struct vkd_param_info *p = &w.infos[t];
        for (uint64_t i = p->ofs; i < p->ofs + p->numel; i++)
            ck_assert_msg(fabs((double) after[i] - m.p[i]) <= 3e-6, "%s, %s[%llu]: expected %.9g, found %.9g",
                          config.name, p->name, (unsigned long long) (i - p->ofs), m.p[i], (double) after[i]);
    }
    mirror_close(&m);
    world_close(&w);
    free(before);
    free(after);
    free(g);
}
END_TEST

// A head that learns beside: its huge gradients clip nobody, it is not clipped itself, and when they are not finite it
// alone stays as it is.
START_TEST(groups_beside)
{
    struct vkd_optimizer_config config;
    struct world w;
    struct mirror m;
    // In another order than the tensors: the table of chunks is sorted by group.
    static const struct vkd_optimizer_group mixed[] = {
        { "", 1, 1, 3 }, { "backbone.bias", 1, 1, 6 }, { "head.", 0.5f, 1, 5 }, { "predictor.", 1, 0, 1 },
    };
    const double rates[VKD_LR_GROUPS] = { [1] = 0.01, [3] = 0.02, [5] = 1e-5, [6] = 0.02 };
    const bool bad[COUNT] = { [2] = true };     // of the head, half is enough
    configure((uint32_t) _i, &config);
    config.groups = mixed;
    config.group_count = sizeof(mixed) / sizeof(mixed[0]);
    world_open(&w, dev, tensors, COUNT);
    float *before = calloc(5 * w.total, 4), *after = calloc(5 * w.total, 4), *g = malloc(4 * w.total);
    fill(&w, w.total, 7, NULL, before);
    world_write(&w, w.values, before, w.total);
    world_start(&w, &config);
    mirror_open(&m, before, w.total);
    w.rates = rates;
    w.beside = 1u << 5 | 1u << 7;               // nobody is in 7
    for (uint32_t step = 0; step < STEPS; step++) {
        bool stuck = step == 2 || step == 3;
        fill(&w, w.trainable, 100 + step, stuck ? bad : NULL, g);
        for (uint64_t i = w.infos[2].ofs; i < w.infos[4].ofs; i++)
            g[i] *= 1000;
        world_snapshot(&w, before, 5 * w.total);
        double norm = mirror_step(&m, &w, &config, 1, g);
        world_micro(&w, 0, g, 1);
        struct vkd_metrics_block metrics = world_update(&w, 1);
        world_snapshot(&w, after, 5 * w.total);
        ck_assert_uint_eq(metrics.nonfinite, 0);
        ck_assert_uint_eq(metrics.left_alone, stuck ? w.beside : 0);
        ck_assert_double_eq_tol((double) metrics.grad_norm / norm, 1, 1e-6);
        ck_assert_double_gt(norm, config.clip_norm);
        for (uint32_t t = 0; t < TRAINED; t++)
            ck_assert_int_eq(same_tensor(&w, t, before, after, w.opt->rule->states[1] ? 2 : 1),
                             stuck && (t == 2 || t == 3));
    }
    for (uint32_t t = 0; t < TRAINED; t++) {
        const struct vkd_param_info *p = &w.infos[t];
        for (uint64_t i = p->ofs; i < p->ofs + p->numel; i++)
            ck_assert_msg(fabs((double) after[i] - m.p[i]) <= 3e-6, "%s, %s[%llu]: expected %.9g, found %.9g",
                          config.name, p->name, (unsigned long long) (i - p->ofs), m.p[i], (double) after[i]);
    }
    fill(&w, w.trainable, 9, (const bool[COUNT]) { [0] = true }, g);
    world_micro(&w, 0, g, 1);
    struct vkd_metrics_block metrics = world_update(&w, 1);
    ck_assert(metrics.nonfinite == 1 && metrics.left_alone == 0xffffffffu);
    mirror_close(&m);
    world_close(&w);
    free(before);
    free(after);
    free(g);
}
END_TEST

// With every group frozen nothing changes but the average, which goes on towards the values.
START_TEST(all_frozen)
{
    struct vkd_optimizer_config config;
    struct world w;
    configure((uint32_t) _i, &config);
    config.ema_decay = 0;
    config.accumulation = 2;
    world_open(&w, dev, tensors, COUNT);
    const bool all[COUNT] = { true, true, true, true, true, true };
    float *before = calloc(5 * w.total, 4), *after = calloc(5 * w.total, 4), *g = malloc(4 * w.total);
    fill(&w, w.total, 7, NULL, before);
    world_write(&w, w.values, before, w.total);
    world_start(&w, &config);
    uint64_t count = world_snapshot(&w, before, 5 * w.total);
    fill(&w, w.trainable, 1, all, g);
    for (uint32_t k = 0; k < 2; k++)
        world_micro(&w, k, g, 1);
    struct vkd_metrics_block metrics = world_update(&w, 0);
    ck_assert_uint_eq(metrics.nonfinite, 0);
    ck_assert_float_eq(metrics.grad_norm, 0);
    world_snapshot(&w, after, 5 * w.total);
    ck_assert(!memcmp(before, after, count * sizeof(*after)));

    // What was stale is not there any more when the next step begins its sums.
    fill(&w, w.trainable, 2, NULL, g);
    for (uint32_t k = 0; k < 2; k++)
        world_micro(&w, k, g, 1);
    ck_assert_uint_eq(world_update(&w, 0.1).nonfinite, 0);
    world_close(&w);
    free(before);
    free(after);
    free(g);
}
END_TEST

// A new optimiser that gets values and states after `STEPS / 2` steps, while a group is frozen, goes on bit for bit.
START_TEST(resume)
{
    struct vkd_optimizer_config config;
    struct world w;
    configure((uint32_t) _i, &config);
    world_open(&w, dev, tensors, COUNT);
    float *whole = calloc(5 * w.total, 4), *part = calloc(5 * w.total, 4), *g = malloc(4 * w.total);
    uint64_t count = 0;
    for (uint32_t pass = 0; pass < 2; pass++) {
        fill(&w, w.total, 7, NULL, part);
        world_write(&w, w.values, part, w.total);
        world_start(&w, &config);
        for (uint32_t step = 0; step < STEPS; step++) {
            if (pass && step == STEPS / 2) {
                world_snapshot(&w, part, 5 * w.total);
                world_stop(&w);
                world_start(&w, &config);
                w.done = step;
                world_write(&w, w.values, part, w.total);
                uint32_t states;
                const struct vkd_optimizer_state *s = vkd_optimizer_states(w.opt, &states);
                const float *at = part + w.total;
                for (uint32_t i = 0; i < states; i++, at += s[i - 1].range.size / 4)
                    ck_assert_int_eq(vkd_buffer_write(dev, s[i].range.buffer, s[i].range.ofs, at, s[i].range.size), VKD_OK);
            }
            step_once(&w, step, g, NULL, &config);
        }
        count = world_snapshot(&w, pass ? part : whole, 5 * w.total);
        world_stop(&w);
    }
    ck_assert(!memcmp(whole, part, count * sizeof(*whole)));
    world_close(&w);
    free(whole);
    free(part);
    free(g);
}
END_TEST

static void open_device(void)
{
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
}

static void close_device(void)
{
    gpu_close(&dev);
}

int main(void)
{
    Suite *s = suite_create("optimizer groups");
    TCase *c = tcase_create("groups");
    tcase_set_timeout(c, 120);
    tcase_add_unchecked_fixture(c, open_device, close_device);
    tcase_add_loop_test(c, rates_and_frozen_groups, 0, 5);
    tcase_add_loop_test(c, groups_beside, 0, 5);
    tcase_add_loop_test(c, all_frozen, 0, 5);
    tcase_add_loop_test(c, resume, 0, 5);
    suite_add_tcase(s, c);
    return gpu_run(s);
}
