// test_untrained.c -- runs of no epochs: the start values, tested and saved like those of any run.
#include "engine/safetensors.h"
#include "gpu.h"
#include "train_world.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static const struct { const char *method, *mode; } rows[] = {
    { "supervised", NULL }, { "simclr", "ssl" }, { "dino", "sequential" }, { "simclr", "floor" }, { "simclr", "pulse" },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct vkd_recipe recipe(int row)
{
    struct vkd_recipe r = world_recipe();
    r.method = rows[row].method;
    r.injection.mode = rows[row].mode;
    r.injection.start = 2;
    r.injection.end = 3;
    r.injection.head_warmup = 1;
    r.ssl.projector_hidden = 16;
    r.ssl.projector_out = 8;
    r.ssl.prototypes = strcmp(r.method, "dino") ? 0 : 12;
    r.monitor.images = 32;
    r.monitor.knn_k = 5;
    r.monitor.score_lambda = row % 2 ? -3 : 0;      // scores below zero are scores as well
    r.epochs = 0;
    return r;
}

// How often metrics.jsonl has each of these events, in the order of the text.
static void check_events(const char *run, const char *expected)
{
    char line[1024], found[256] = "", path[256];
    snprintf(path, sizeof(path), "%s/metrics.jsonl", world_path(run));
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f)) {
        json_t *one = json_loads(line, 0, NULL);
        ck_assert_int_eq(json_integer_value(json_object_get(one, "step")), 0);
        strcat(strcat(found, found[0] ? " " : ""), json_string_value(json_object_get(one, "event")));
        json_decref(one);
    }
    fclose(f);
    ck_assert_str_eq(found, expected);
}

static void check_files(const char *run)
{
    static const char *const names[] = { "best.safetensors", "last.safetensors" };
    char path[256];
    for (int i = 0; i < 2; i++) {
        vkd__st_file *f;
        snprintf(path, sizeof(path), "%s/%s", world_path(run), names[i]);
        ck_assert_int_eq(vkd__st_open(path, NULL, &f), VKD_OK);
        ck_assert_ptr_nonnull(vkd__st_find(f, "conv1.weight"));
        vkd__st_close(&f);
    }
    snprintf(path, sizeof(path), "%s/run.json", world_path(run));
    json_t *json = json_load_file(path, 0, NULL), *results = json_object_get(json, "results");
    ck_assert(json_is_true(json_object_get(results, "complete")));
    ck_assert_int_eq(json_integer_value(json_object_get(results, "steps")), 0);
    ck_assert(json_is_real(json_object_get(results, "test_accuracy")));
    json_decref(json);
}

START_TEST(start_values_are_a_run)
{
    const char *events = _i ? "diversity eval checkpoint end" : "eval checkpoint end";
    struct vkd_recipe r = recipe(_i);
    struct vkd_train_result res, again;
    char name[32];
    snprintf(name, sizeof(name), "none-%d", _i);
    ck_assert_int_eq(world_train(&r, name, false, 0, &res), VKD_OK);
    ck_assert_uint_eq(res.steps, 0);
    ck_assert(res.classified && isfinite(res.test_loss) && res.test_accuracy <= res.best_accuracy);
    ck_assert(!_i || (isfinite(res.neighbours) && res.rankme >= 1));
    check_files(name);
    check_events(name, events);
    ck_assert_int_eq(world_train(&r, name, true, 0, &again), VKD_OK);
    ck_assert(again.weights_hash == res.weights_hash);
    ck_assert_float_eq(again.test_loss, res.test_loss);
    check_files(name);
    check_events(name, events);
}
END_TEST

// Stopped in its test, then resumed.
START_TEST(a_stopped_test_is_made_up_for)
{
    struct vkd_recipe r = recipe(0);
    struct vkd_train_result res;
    ck_assert_int_eq(world_train(&r, "stopped", false, 1, &res), VKD_INTERRUPTED);
    ck_assert(!world_exists("stopped/last.safetensors"));
    ck_assert_int_eq(world_train(&r, "stopped", true, 0, &res), VKD_OK);
    check_files("stopped");
    check_events("stopped", "eval checkpoint end");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("untrained");
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, world_open, world_close);
    tcase_add_loop_test(t, start_values_are_a_run, 0, ROWS);
    tcase_add_test(t, a_stopped_test_is_made_up_for);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
