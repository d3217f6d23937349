// test_step_bench.c -- timed steps are the steps of training, and their parts are told apart.
#include "engine/train/step_bench.h"
#include "tests/gpu.h"

#include <string.h>

static vkd_device *dev;

static struct vkd_recipe recipe(const char *method, const char *mode)
{
    struct vkd_recipe r;
    vkd_recipe_default(&r);
    r.method = method;
    r.data.train = r.data.test = "noise:64x12x3x4";
    r.data.threads = 1;
    r.injection.mode = mode;
    r.injection.start = strcmp(mode, "sequential") ? 0 : 2;
    r.injection.head_warmup = strcmp(mode, "sequential") ? 0 : 0.5f;
    r.model.width = 4;
    r.model.size = 12;
    r.ssl.projector_hidden = 16;
    r.ssl.projector_out = 8;
    r.ssl.predictor_hidden = 8;
    r.ssl.prototypes = 8;
    r.ssl.queue = !strcmp(method, "mocov2") ? 32 : 0;
    r.monitor.images = 16;
    r.batch = 8;
    r.epochs = 4;
    return r;
}

static vkd__step_bench *open_bench(const struct vkd_recipe *r, uint32_t kind)
{
    vkd__step_bench *b = NULL;
    ck_assert_int_eq(vkd__step_bench_open(dev, r, kind, &b), VKD_OK);
    return b;
}

static uint64_t hash_of(const vkd__step_bench *b)
{
    uint64_t hash;
    ck_assert_int_eq(vkd_params_hash(vkd__step_bench_params(b), &hash), VKD_OK);
    return hash;
}

// What is taken apart computes the same, and every part of it is charged with something.
static void check_parts(const struct vkd_recipe *r, uint32_t kind)
{
    double seconds[VKD__PHASE_COUNT], one;
    vkd__step_bench *whole = open_bench(r, kind), *apart = open_bench(r, kind);
    ck_assert_int_eq(vkd__step_bench_run(whole, 3, &one), VKD_OK);
    ck_assert(one > 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(vkd__step_bench_phases(apart, seconds), VKD_OK);
    ck_assert_msg(hash_of(whole) == hash_of(apart), "%s, kind %u: other weights", r->method, kind);
    for (int i = 0; i < VKD__PHASE_COUNT; i++)
        ck_assert_msg(seconds[i] > 0, "%s, kind %u: %s took %g s", r->method, kind, vkd__phase_names[i], seconds[i]);
    vkd__step_bench_close(&whole);
    vkd__step_bench_close(&apart);
}

START_TEST(parts)
{
    static const struct { const char *method, *mode; uint32_t kind; bool cached; } rows[] = {
        { "supervised", "supervised", 0, false }, { "simclr", "ssl", 0, false }, { "simclr", "ssl", 0, true },
        { "mocov2", "ssl", 0, false }, { "swav", "ssl", 0, false }, { "byol", "step", 0, false },
    };
    struct vkd_recipe r = recipe(rows[_i].method, rows[_i].mode);
    if (rows[_i].cached) {
        r.accumulate = 2;
        r.ssl.grad_cache = true;
    }
    check_parts(&r, rows[_i].kind);
}
END_TEST

START_TEST(what_a_step_is)
{
    double one;
    struct vkd_recipe r = recipe("simclr", "sequential");
    vkd__step_bench *b = open_bench(&r, 0);
    ck_assert_int_eq(vkd__step_bench_run(b, 5, &one), VKD_OK);
    struct vkd__step_info info = vkd__step_bench_info(b);
    ck_assert_str_eq(info.kind, "self-supervised");
    ck_assert_uint_eq(info.images, 8);
    ck_assert_uint_eq(info.views, 2);
    ck_assert_uint_eq(info.waits, 0);
    ck_assert(info.memory > 0 && info.calls > 200);
    double work = info.work;
    ck_assert_uint_eq(vkd__step_bench_kinds(b), 3);
    vkd__step_bench_close(&b);
    b = open_bench(&r, 1);
    info = vkd__step_bench_info(b);
    ck_assert_str_eq(info.kind, "supervised");
    ck_assert_uint_eq(info.views, 1);
    ck_assert_msg(work > 1.9 * info.work && work < 2.2 * info.work, "%g, %g", work, info.work);
    vkd__step_bench_close(&b);
    ck_assert_int_eq(vkd__step_bench_open(dev, &r, 3, &b), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "only 3 kinds"));
    r.batch = 0;
    ck_assert_int_eq(vkd__step_bench_open(dev, &r, 0, &b), VKD_INVALID);
    ck_assert_ptr_null(b);
}
END_TEST

static void setup(void)
{
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
}

static void teardown(void)
{
    gpu_close(&dev);
}

int main(void)
{
    TCase *t = tcase_create("step_bench");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, parts, 0, 6);
    tcase_add_test(t, what_a_step_is);
    Suite *s = suite_create("step_bench");
    suite_add_tcase(s, t);
    return gpu_run(s);
}
