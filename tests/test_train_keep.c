// test_train_keep.c -- weights that a run keeps: which epochs, what they hold, and resuming.
#include "gpu.h"
#include "train_world.h"
#include "runtime/os.h"

#include <vkdiv/weights.h>

#include <jansson.h>
#include <string.h>

// The kept files that metrics.jsonl of run `name` tells of, in order.
static void kept_events(const char *name, char *text, size_t size)
{
    char line[1024], file[64];
    snprintf(file, sizeof(file), "%s/metrics.jsonl", name);
    FILE *f = fopen(world_path(file), "r");
    ck_assert_ptr_nonnull(f);
    for (text[0] = 0; fgets(line, sizeof(line), f);) {
        json_t *event = json_loads(line, 0, NULL);
        const char *kept = json_string_value(json_object_get(event, "kept"));
        if (kept) {
            ck_assert_str_eq(json_string_value(json_object_get(event, "event")), "checkpoint");
            snprintf(text + strlen(text), size - strlen(text), "%s ", kept);
        }
        json_decref(event);
    }
    fclose(f);
}

static void assert_same_file(const char *a, const char *b)
{
    struct vkd__why why;
    const uint8_t *x, *y;
    uint64_t nx, ny;
    ck_assert_int_eq(vkd__file_map(world_path(a), &x, &nx, &why), VKD_OK);
    ck_assert_int_eq(vkd__file_map(world_path(b), &y, &ny, &why), VKD_OK);
    ck_assert_msg(nx == ny && !memcmp(x, y, nx), "%s and %s differ", a, b);
    vkd__file_unmap(x, nx);
    vkd__file_unmap(y, ny);
}

// stop() is asked after 10 steps of an epoch, then after the 4 batches of its evaluation.
static const struct { uint32_t stop_at; float ema; } stops[] = { { 7, 0 }, { 10, 0.9f }, { 12, 0 }, { 15, 0 }, { 38, 0 } };

START_TEST(kept_once_each_whatever_stops)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result res;
    struct vkd_weights_info info;
    char whole[32], parts[32], a[96], b[96], text[256];
    snprintf(whole, sizeof(whole), "whole-%d", _i);
    snprintf(parts, sizeof(parts), "parts-%d", _i);
    r.keep_every = 1;
    r.ema = stops[_i].ema;
    ck_assert_int_eq(world_train(&r, whole, false, 0, &res), VKD_OK);
    ck_assert_int_eq(world_train(&r, parts, false, stops[_i].stop_at, &res), VKD_INTERRUPTED);
    for (int times = 0; times < 2; times++) {       // the second time there is nothing left to do
        ck_assert_int_eq(world_train(&r, parts, true, 0, &res), VKD_OK);
        kept_events(parts, text, sizeof(text));
        ck_assert_str_eq(text, "checkpoints/epoch-0001.safetensors checkpoints/epoch-0002.safetensors "
                               "checkpoints/epoch-0003.safetensors ");
    }
    for (uint32_t epoch = 1; epoch <= 3; epoch++) {
        snprintf(a, sizeof(a), "%s/checkpoints/epoch-%04u.safetensors", whole, epoch);
        snprintf(b, sizeof(b), "%s/checkpoints/epoch-%04u.safetensors", parts, epoch);
        assert_same_file(a, b);
        ck_assert_int_eq(vkd_weights_info(world_path(a), NULL, &info), VKD_OK);
        ck_assert_uint_eq(info.steps, 10 * epoch);
    }
    snprintf(b, sizeof(b), "%s/last.safetensors", parts);
    assert_same_file(a, b);
}
END_TEST

START_TEST(only_the_epochs_asked_for)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result res;
    char text[256];
    r.eval_every = 0;
    ck_assert_int_eq(world_train(&r, "none", false, 0, &res), VKD_OK);
    ck_assert(!world_exists("none/checkpoints"));
    r.keep_every = 2;
    r.steps = 25;               // the third epoch is not whole
    ck_assert_int_eq(world_train(&r, "second", false, 0, &res), VKD_OK);
    kept_events("second", text, sizeof(text));
    ck_assert_str_eq(text, "checkpoints/epoch-0002.safetensors ");
    ck_assert(!world_exists("second/checkpoints/epoch-0001.safetensors"));
    r.keep_every = 1;           // may change between parts of a run
    r.steps = 0;
    ck_assert_int_eq(world_train(&r, "second", true, 0, &res), VKD_OK);
    kept_events("second", text, sizeof(text));
    ck_assert_str_eq(text, "checkpoints/epoch-0002.safetensors checkpoints/epoch-0003.safetensors ");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_keep");
    TCase *t = tcase_create("kept weights");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, world_open, world_close);
    tcase_add_loop_test(t, kept_once_each_whatever_stops, 0, sizeof(stops) / sizeof(stops[0]));
    tcase_add_test(t, only_the_epochs_asked_for);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
