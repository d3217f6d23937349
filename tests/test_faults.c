// test_faults.c -- memory that runs out and devices that are lost: errors come back, nothing leaks, runs go on.
#include "gpu.h"
#include "train_world.h"

#include <vkdiv/compute.h>

#include <string.h>

// Opens world.dev with such a fault.
static void open_with(struct vkd_faults faults)
{
    struct vkd_device_params p = gpu_params();
    p.faults = faults;
    p.submission_seconds = 1e-12;       // a list each, so that all runs have as many
    ck_assert_int_eq(vkd_device_create(&p, &world.dev), VKD_OK);
}

// Closes it; a leak would be an error in the log, and a message of the validation layer.
static void close_it(void)
{
    unsigned before = gpu_errors;
    gpu_close(&world.dev);
    ck_assert_msg(gpu_errors == before, "closing the device says: %s", gpu_last_error);
}

static struct vkd_recipe recipe_of(int i)
{
    struct vkd_recipe r = world_recipe();
    r.epochs = 2;
    if (i == 1) {
        r.method = "mocov2";
        r.injection.mode = "step";
        r.injection.start = 1;
        r.injection.ssl_weight = 0.5f;
        r.monitor.images = 32;
        r.ssl.queue = 32;
        r.ssl.projector_hidden = 16;
        r.ssl.projector_out = 8;
    } else {
        r.ema = 0.9f;
    }
    return r;
}

// The same run on a device without faults: what it ends with, and after how many submissions.
static struct vkd_train_result truth(const struct vkd_recipe *r, const char *name, uint64_t *submissions)
{
    struct vkd_train_result res;
    open_with((struct vkd_faults) { 0 });
    ck_assert_int_eq(world_train(r, name, false, 0, &res), VKD_OK);
    *submissions = vkd_device_stats(world.dev).submissions;
    close_it();
    return res;
}

// Goes on where `name` was left, on a fresh device.
static void ends_as(const struct vkd_recipe *r, const char *name, const struct vkd_train_result *expected)
{
    struct vkd_train_result res;
    char file[64];
    snprintf(file, sizeof(file), "%s/run.json", name);
    open_with((struct vkd_faults) { 0 });
    ck_assert_int_eq(world_train(r, name, world_exists(file), 0, &res), VKD_OK);
    close_it();
    ck_assert_msg(res.weights_hash == expected->weights_hash, "%s: other weights than without the fault", name);
}

START_TEST(memory_runs_out)
{
    struct vkd_recipe r = recipe_of(_i);
    struct vkd_train_result expected, res;
    uint64_t submissions, n = 0;
    char name[64], base[64];
    snprintf(base, sizeof(base), "memory-%d", _i);
    expected = truth(&r, base, &submissions);
    for (vkd_result result = VKD_NO_MEMORY; result != VKD_OK;) {
        n++;
        snprintf(name, sizeof(name), "memory-%d-%d", _i, (int) n);
        open_with((struct vkd_faults) { .memory = n });
        gpu_last_error[0] = 0;
        result = world_train(&r, name, false, 0, &res);
        close_it();
        if (result == VKD_OK)
            break;
        ck_assert_msg(result == VKD_NO_MEMORY, "allocation %d refused: %s", (int) n, vkd_result_text(result));
        ck_assert_msg(strstr(gpu_last_error, "out of memory"), "allocation %d refused: \"%s\"", (int) n, gpu_last_error);
        if (n % 16 == 1)
            ends_as(&r, name, &expected);
    }
    ck_assert_uint_gt(n, 16);            // there were allocations to refuse
    ck_assert_uint_eq(res.weights_hash, expected.weights_hash);
}
END_TEST

START_TEST(the_device_is_lost)
{
    struct vkd_recipe r = recipe_of(_i);
    struct vkd_train_result expected, res;
    uint64_t all;
    char name[64];
    snprintf(name, sizeof(name), "lost-%d", _i);
    expected = truth(&r, name, &all);
    const uint64_t at[] = { 1, all / 7, all / 2, all / 2 + 1, all };
    for (size_t k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
        snprintf(name, sizeof(name), "lost-%d-%d", _i, (int) k);
        open_with((struct vkd_faults) { .submit = at[k] });
        gpu_last_error[0] = 0;
        vkd_result result = world_train(&r, name, false, 0, &res);
        ck_assert_msg(result == VKD_DEVICE_LOST, "lost at submission %d of %d: %s", (int) at[k], (int) all,
                      vkd_result_text(result));
        ck_assert_msg(strstr(gpu_last_error, "lost"), "lost at submission %d: \"%s\"", (int) at[k], gpu_last_error);
        // It stays lost.
        ck_assert_int_eq(vkd_wait(world.dev, 0, 0, NULL), VKD_DEVICE_LOST);
        ck_assert_int_eq(world_train(&r, "never", false, 0, &res), VKD_DEVICE_LOST);
        close_it();
        ends_as(&r, name, &expected);
    }
}
END_TEST

// What else a driver may refuse, from the first time on and from later ones.
static const struct { const char *name, *says; struct vkd_faults first; } refused[] = {
    { "map", "out of memory", { .map = 1 } },
    { "pipeline", "vkCreateComputePipelines", { .pipeline = 1 } },
    { "pool", "vkCreateDescriptorPool", { .pool = 1 } },
};

START_TEST(objects_are_refused)
{
    struct vkd_recipe r = recipe_of(0);
    struct vkd_train_result expected, res;
    uint64_t submissions;
    char name[64];
    uint32_t met = 0;
    snprintf(name, sizeof(name), "%s-0", refused[_i].name);
    expected = truth(&r, name, &submissions);
    for (uint64_t n = 1; n <= 4096; n = n < 4 ? n + 1 : 2 * n) {
        struct vkd_faults f = refused[_i].first;
        f.map *= n;
        f.pipeline *= n;
        f.pool *= n;
        snprintf(name, sizeof(name), "%s-%d", refused[_i].name, (int) n);
        open_with(f);
        gpu_last_error[0] = 0;
        vkd_result result = world_train(&r, name, false, 0, &res);
        close_it();
        if (result == VKD_OK)
            break;
        met++;
        ck_assert_msg(result == VKD_NO_MEMORY, "%s: %s", name, vkd_result_text(result));
        ck_assert_msg(strstr(gpu_last_error, refused[_i].says), "%s: \"%s\"", name, gpu_last_error);
        ends_as(&r, name, &expected);
    }
    ck_assert_uint_ge(met, 1);
    ck_assert_uint_eq(res.weights_hash, expected.weights_hash);
}
END_TEST

START_TEST(a_wait_finds_the_device_lost)
{
    struct vkd_recipe r = recipe_of(0);
    struct vkd_train_result expected, res;
    uint64_t all;
    char name[64];
    expected = truth(&r, "wait", &all);
    const uint64_t at[] = { 1, 2, 5, 20 };
    for (size_t k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
        snprintf(name, sizeof(name), "wait-%d", (int) at[k]);
        open_with((struct vkd_faults) { .wait = at[k] });
        gpu_last_error[0] = 0;
        vkd_result result = world_train(&r, name, false, 0, &res);
        ck_assert_msg(result == VKD_DEVICE_LOST, "%s: %s", name, vkd_result_text(result));
        ck_assert_msg(strstr(gpu_last_error, "lost"), "%s: \"%s\"", name, gpu_last_error);
        close_it();
        ends_as(&r, name, &expected);
    }
}
END_TEST

static void set_up(void)
{
    world.error = gpu_last_error;
    world.warning = gpu_last_warning;
    world_write_set();
}

int main(void)
{
    Suite *s = suite_create("faults");
    TCase *t = tcase_create("training");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, set_up, world_remove);
    tcase_add_loop_test(t, memory_runs_out, 0, 2);
    tcase_add_loop_test(t, the_device_is_lost, 0, 2);
    tcase_add_loop_test(t, objects_are_refused, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(t, a_wait_finds_the_device_lost);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
