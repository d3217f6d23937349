// test_mixed_runs.c -- trainings whose backbone stores in 16 bits: they learn, repeat, resume, overflow and recover.
#include "gpu.h"
#include "train_world.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define OK(call) ck_assert_int_eq((call), VKD_OK)

// Field `key` of the last "step" event of a run; NAN without.
static double last_logged(const char *run, const char *key)
{
    char line[2048], name[96];
    double value = NAN;
    snprintf(name, sizeof(name), "%s/metrics.jsonl", run);
    FILE *f = fopen(world_path(name), "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f)) {
        json_t *one = json_loads(line, 0, NULL), *v = json_object_get(one, key);
        if (!strcmp(json_string_value(json_object_get(one, "event")), "step"))
            value = json_is_number(v) ? json_number_value(v) : NAN;
        json_decref(one);
    }
    fclose(f);
    return value;
}

static const char *const precisions[] = { "fp16", "bf16" };

START_TEST(learns_and_repeats_bit_for_bit)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result a, b;
    char name[32];
    r.precision = precisions[_i];
    for (int run = 0; run < 2; run++) {
        snprintf(name, sizeof(name), "learn-%s-%d", precisions[_i], run);
        OK(world_train(&r, name, false, 0, run ? &b : &a));
    }
    ck_assert_float_ge(a.test_accuracy, 0.9f);
    ck_assert_uint_eq(a.steady_allocations, 0);
    ck_assert(a.weights_hash == b.weights_hash);
    double scale = last_logged(name, "loss_scale");
    ck_assert(_i == 0 ? scale >= 1 && scale <= 65536 : isnan(scale));
}
END_TEST

// A scale that overflows at once and grows often: the parts must agree on where it stands.
START_TEST(resumed_equals_uninterrupted)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result whole, part;
    r.precision = "fp16";
    r.optimizer.name = _i ? "adamw" : "sgd";
    r.optimizer.lr = _i ? 0.003f : 0.05f;
    r.accumulate = _i ? 2 : 1;
    r.ema = _i ? 0.9f : 0;
    r.optimizer.clip_norm = 1;
    r.loss_scale.start = 1 << 24;
    r.loss_scale.interval = 2;
    char names[2][16] = { "whole", "parts" };
    names[0][4] = names[1][4] = (char) ('0' + _i);
    OK(world_train(&r, names[0], false, 0, &whole));
    ck_assert_int_eq(world_train(&r, names[1], false, 13, &part), VKD_INTERRUPTED);
    ck_assert(part.weights_hash != whole.weights_hash);
    OK(world_train(&r, names[1], true, 0, &part));
    ck_assert(part.weights_hash == whole.weights_hash);
    ck_assert_float_eq(part.test_loss, whole.test_loss);
    ck_assert_double_gt(last_logged(names[0], "overflows"), 1);
    ck_assert_double_eq(last_logged(names[0], "loss_scale"), last_logged(names[1], "loss_scale"));
    ck_assert_float_lt(whole.train_loss, 1.386f);        // ln 4: chance
}
END_TEST

// What no scale helps against is said, with what to do.
START_TEST(divergence_is_still_found)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result res;
    r.precision = "fp16";
    r.optimizer.lr = 1000;              // times a decay of 10: each step multiplies the weights by -9999
    r.optimizer.weight_decay = 10;
    r.schedule.name = "constant";
    ck_assert_int_eq(world_train(&r, "diverge", false, 0, &res), VKD_DIVERGED);
    ck_assert_msg(strstr(world.error, "first in the ") && strstr(world.error, "precision=bf16"), "%s", world.error);
}
END_TEST

// Each row: the first step of a run, whose numbers must be nearly those in f32 (a second one begins from other weights). A
// gradient that was scaled twice or not at all has 256 times its norm, or a part of it.
static const struct { const char *method, *mode; uint32_t accumulate, head_depth; bool cache; } rows[] = {
    { "supervised", "supervised", 2, 0, false },
    { "simclr", "ssl", 2, 0, true },        // embeddings and their gradients are cached
    { "byol", "step", 1, 1, false },        // a teacher, labels beside, a probe
    { "simclr", "step", 2, 0, true },
};

START_TEST(numbers_are_those_of_f32)
{
    static const char *const kinds[] = { "fp32", "fp16", "bf16" };
    static const char *const keys[] = { "loss", "ssl_loss", "supervised_loss", "probe_loss", "grad_norm" };
    double first[5];
    char name[32];
    for (int k = 0; k < 3; k++) {
        struct vkd_recipe r = world_recipe();
        struct vkd_train_result res;
        r.precision = kinds[k];
        r.method = rows[_i].method;
        r.injection.mode = rows[_i].mode;
        r.injection.head_depth = rows[_i].head_depth;
        r.injection.max = strcmp(rows[_i].mode, "step") ? 1 : 0.3f;
        r.accumulate = rows[_i].accumulate;
        r.ssl.grad_cache = rows[_i].cache;
        r.ssl.projector_hidden = r.ssl.predictor_hidden = 16;
        r.ssl.projector_out = 8;
        r.monitor.images = 16;
        r.monitor.knn_k = 3;
        r.eval_every = r.checkpoint_minutes = 0;
        r.epochs = 1;
        r.steps = 1;
        r.optimizer.lr = 0.001f;
        r.loss_scale.start = 256;
        snprintf(name, sizeof(name), "numbers-%d-%s", _i, kinds[k]);
        OK(world_train(&r, name, false, 0, &res));
        for (int i = 0; i < 5; i++) {
            double bound = (k == 1 ? 0.02 : 0.08) * (i == 4 ? 5 : 1);   // gradients: see test_mixed.c
            double v = last_logged(name, keys[i]);
            first[i] = k ? first[i] : v;
            ck_assert_msg(isnan(v) ? isnan(first[i]) : fabs(v - first[i]) <= bound * fabs(first[i]),
                          "%s, %s: %g in fp32, %g", name, keys[i], first[i], v);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mixed_runs");
    TCase *c = tcase_create("runs");
    tcase_add_unchecked_fixture(c, world_open, world_close);
    tcase_set_timeout(c, 0);
    tcase_add_loop_test(c, learns_and_repeats_bit_for_bit, 0, 2);
    tcase_add_loop_test(c, resumed_equals_uninterrupted, 0, 2);
    tcase_add_test(c, divergence_is_still_found);
    tcase_add_loop_test(c, numbers_are_those_of_f32, 0, sizeof(rows) / sizeof(rows[0]));
    suite_add_tcase(s, c);
    return gpu_run(s);
}
