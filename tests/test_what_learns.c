// test_what_learns.c -- which weights learn in which step, at what rate, and the alarm when nothing is learnt.
#include "gpu.h"
#include "train_world.h"
#include "engine/safetensors.h"
#include "engine/train/run.h"

#include <jansson.h>
#include <string.h>

enum { EPOCH = 10 };        // steps

static struct vkd_recipe recipe(const char *method, const char *mode)
{
    struct vkd_recipe r = world_recipe();
    bool clusters = !strcmp(method, "dino") || !strcmp(method, "swav");
    r.method = method;
    r.injection.mode = mode;
    r.ssl.projector_hidden = r.ssl.predictor_hidden = 16;
    r.ssl.projector_out = 8;
    r.ssl.prototypes = clusters ? 12 : 0;
    r.ssl.queue = !strcmp(method, "swav") ? 32 : 0;
    r.monitor.images = 64;
    r.monitor.knn_k = 5;
    r.eval_every = 0;
    r.checkpoint_minutes = 0;
    if (strcmp(mode, "ssl") && strcmp(mode, "supervised"))
        r.injection.start = 1;
    return r;
}

// ---- Rates ----

// Of the groups in enum vkd__lr_group's order: 0 nothing, l the step's rate, p that of the schedule's peak, h the head's,
// b the probe's.
static const struct { const char *method, *mode; float warmup, frozen; uint32_t depth, step; const char *rates; } rates[] = {
    { "simclr", "ssl", 0, -1, 0, 12, "lllpl0b" },
    { "simsiam", "ssl", 0, -1, 0, 29, "lllpl0b" },
    { "dino", "ssl", 0, 1, 0, 9, "lllp00b" },
    { "dino", "ssl", 0, 1, 0, 10, "lllpl0b" },
    { "swav", "ssl", 0, 1, 0, 9, "lllp00b" },
    { "swav", "ssl", 0, 1, 0, 10, "lllpl0b" },
    { "simclr", "step", 0, -1, 0, 15, "lllplhh" },
    { "simclr", "step", 0, -1, 1, 15, "lllplhb" },
    { "simclr", "sequential", 1, -1, 0, 9, "lllpl0b" },
    { "simclr", "sequential", 1, -1, 0, 15, "00000hh" },
    { "simclr", "sequential", 1, -1, 0, 25, "l0000hh" },
    { "simclr", "sequential", 1, -1, 1, 15, "00000hb" },
    { "supervised", "supervised", 0, -1, 0, 15, "l0000hh" },
    { "supervised", "supervised", 0, -1, 2, 15, "l0000hb" },
};

START_TEST(rates_of_groups)
{
    struct vkd_recipe r = recipe(rates[_i].method, rates[_i].mode);
    struct vkd__run run;
    struct vkd__inject_step what = { 0 };
    r.injection.head_warmup = rates[_i].warmup;
    r.injection.head_depth = rates[_i].depth;
    r.injection.max = strcmp(r.injection.mode, "step") ? 1 : 0.5f;
    r.ssl.frozen_epochs = rates[_i].frozen;
    ck_assert_int_eq(vkd__run_open_bare(&run, world.dev, &(struct vkd_train_params) { .recipe = &r }), VKD_OK);
    ck_assert_uint_eq(run.steps_per_epoch, EPOCH);
    for (uint32_t step = 0; step <= rates[_i].step; step++)
        what = vkd__inject_next(&run.plan, &run.inject);
    struct vkd_step_block b = vkd__run_step_block(&run, rates[_i].step, &what);
    bool alone = what.kind == VKD__ROUTE_WARMUP;        // the rate of the backbone is 0 there, and the probe keeps its own
    ck_assert(what.head_lr > 0 && (alone || (what.lr > 0 && what.lr < what.peak_lr)));
    double probe = (double) r.monitor.probe_lr * (alone ? 1 : what.lr / what.peak_lr);
    for (uint32_t g = VKD__LR_BACKBONE; g <= VKD__LR_CLASSIFIER; g++) {
        char c = rates[_i].rates[g - VKD__LR_BACKBONE];
        double want = c == 'l' ? what.lr : c == 'p' ? what.peak_lr : c == 'h' ? what.head_lr : c == 'b' ? probe : 0;
        ck_assert_msg(b.group_lr[g] == (float) want, "row %d, group %u: %g, expected %g", _i, g, (double) b.group_lr[g], want);
    }
    vkd__run_close(&run);
}
END_TEST

// Parameters are in the group that their names say.
static const struct { const char *method, *name; uint32_t group; } groups[] = {
    { "simsiam", "ssl.predictor.0.weight", VKD__LR_SSL_CONSTANT }, { "simsiam", "ssl.projector.0.weight", VKD__LR_SSL },
    { "byol", "ssl.predictor.0.weight", VKD__LR_SSL }, { "dino", "ssl.prototypes.weight", VKD__LR_SSL_LATER },
    { "swav", "ssl.prototypes.weight", VKD__LR_SSL_LATER }, { "simclr", "head.0.weight", VKD__LR_HEAD },
    { "simclr", "fc.weight", VKD__LR_CLASSIFIER }, { "simclr", "conv1.weight", VKD__LR_FROZEN_STAGES },
    { "simclr", "layer1.0.conv1.weight", VKD__LR_FROZEN_STAGES }, { "simclr", "layer2.0.conv1.weight", VKD__LR_BACKBONE },
};

START_TEST(groups_of_names)
{
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        struct vkd_recipe r = recipe(groups[i].method, "ssl");
        struct vkd_weights_info info = { .arch = "resnet18" };
        struct vkd__network n;
        r.injection.freeze = 2;
        vkd__network_init(&r, &info, WORLD_CLASSES, false, &n);
        ck_assert_msg(vkd__network_group(&n, groups[i].name) == groups[i].group, "%s's %s", groups[i].method, groups[i].name);
    }
}
END_TEST

// ---- Weights ----

// Whether a tensor whose name begins with `prefix` differs between the ends of two epochs of run RUN.
static bool changed(const char *run, uint32_t from, const char *prefix, const char *end)
{
    vkd__st_file *f[2];
    char path[80];
    bool differs = false, any = false;
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/checkpoints/epoch-%04u.safetensors", run, from + i);
        ck_assert_int_eq(vkd__st_open(world_path(path), NULL, &f[i]), VKD_OK);
    }
    for (uint32_t i = 0; i < vkd__st_count(f[0]); i++) {
        const struct vkd__st_tensor *x = vkd__st_at(f[0], i), *y = vkd__st_find(f[1], x->name);
        size_t n = strlen(x->name), m = strlen(end);
        if (x->type != VKD__ST_F32 || strncmp(x->name, prefix, strlen(prefix)) || n < m || strcmp(x->name + n - m, end))
            continue;
        any = true;
        differs |= memcmp(x->data, y->data, x->numel * sizeof(float)) != 0;
    }
    for (int i = 0; i < 2; i++)
        vkd__st_close(&f[i]);
    ck_assert_msg(any, "no tensor %s...%s", prefix, end);
    return differs;
}

START_TEST(warm_up_is_for_the_head)
{
    struct vkd_recipe r = recipe("simclr", "sequential");
    struct vkd_train_result res;
    r.injection.head_warmup = 1;
    r.keep_every = 1;
    ck_assert_int_eq(world_train(&r, "warmup", false, 0, &res), VKD_OK);
    static const char *const parts[] = { "conv1", "bn1", "layer1", "layer4" };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        ck_assert_msg(!changed("warmup", 1, parts[i], ""), "%s learns in the warm-up", parts[i]);
        ck_assert_msg(changed("warmup", 2, parts[i], ""), "%s does not learn after the warm-up", parts[i]);
    }
    ck_assert(changed("warmup", 1, "fc.", "") && changed("warmup", 2, "fc.", ""));
}
END_TEST

START_TEST(frozen_stages_and_statistics)
{
    struct vkd_recipe r = recipe("simclr", "sequential");
    struct vkd_train_result res;
    r.injection.freeze = 2;
    r.injection.bn = _i ? "frozen" : "batch";
    r.keep_every = 1;
    r.epochs = 2;
    const char *run = _i ? "frozen" : "freeze";
    ck_assert_int_eq(world_train(&r, run, false, 0, &res), VKD_OK);
    ck_assert(!changed(run, 1, "conv1", "weight") && !changed(run, 1, "layer1", "weight") && !changed(run, 1, "layer1", "bias"));
    ck_assert(changed(run, 1, "layer2", "weight") && changed(run, 1, "layer4", "weight"));
    ck_assert(changed(run, 1, "layer4", "running_mean") == !_i);
}
END_TEST

// ---- The loss, and a head's shape ----

static json_t *last_step(const char *run)
{
    char line[1024], file[64];
    json_t *last = NULL;
    snprintf(file, sizeof(file), "%s/metrics.jsonl", run);
    FILE *f = fopen(world_path(file), "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f)) {
        json_t *event = json_loads(line, 0, NULL);
        if (!strcmp(json_string_value(json_object_get(event, "event")), "step")) {
            json_decref(last);
            last = json_incref(event);
        }
        json_decref(event);
    }
    fclose(f);
    ck_assert_ptr_nonnull(last);
    return last;
}

static double value(const json_t *event, const char *key)
{
    ck_assert_msg(json_is_number(json_object_get(event, key)), "no number %s", key);
    return json_number_value(json_object_get(event, key));
}

START_TEST(self_supervision_that_stays)
{
    struct vkd_recipe r = recipe("simclr", "step");
    struct vkd_train_result res;
    r.injection.ssl_weight = 0.25f;
    r.injection.head_depth = 2;
    r.injection.head_width = 24;
    r.monitor.probe = false;
    r.epochs = 2;
    ck_assert_int_eq(world_train(&r, "stays", false, 0, &res), VKD_OK);
    json_t *event = last_step("stays");
    double sum = 0.25 * value(event, "ssl_loss") + value(event, "supervised_loss");
    ck_assert_double_eq_tol(value(event, "loss"), sum, 1e-5 * sum);
    json_decref(event);
}
END_TEST

// Labels behind a head alone: what the backbone has learnt is tested by a probe beside.
START_TEST(a_deep_head_is_tested_by_a_probe)
{
    struct vkd_recipe r = recipe("supervised", "supervised");
    struct vkd_train_result res;
    r.injection.head_depth = 1;
    r.epochs = 12;
    ck_assert_int_eq(world_train(&r, "deep", false, 0, &res), VKD_OK);
    ck_assert(res.classified && res.probe);
    ck_assert_msg(res.test_accuracy > 0.6f, "%g", (double) res.test_accuracy);
    r.monitor.probe = false;
    r.epochs = 1;
    ck_assert_int_eq(world_train(&r, "deep-alone", false, 0, &res), VKD_OK);
    ck_assert(!res.classified);
}
END_TEST

// ---- The alarm ----

START_TEST(an_alarm_lasts)
{
    struct vkd__alarm a = { 0 };
    uint32_t rings = 0;
    for (int i = 0; i < 99; i++)
        rings += vkd__alarm_next(&a, true);
    ck_assert_uint_eq(rings, 0);
    (void) vkd__alarm_next(&a, false);                  // starts over
    for (int i = 0; i < 500; i++)
        rings += vkd__alarm_next(&a, true);
    ck_assert_uint_eq(rings, 1);                        // once
    for (int i = 0; i < 99; i++)
        rings += vkd__alarm_next(&a, false);
    for (int i = 0; i < 200; i++)
        rings += vkd__alarm_next(&a, true);
    ck_assert_uint_eq(rings, 1);                        // not over yet
    for (int i = 0; i < 100; i++)
        rings += vkd__alarm_next(&a, false);
    for (int i = 0; i < 100; i++)
        rings += vkd__alarm_next(&a, true);
    ck_assert_uint_eq(rings, 2);
}
END_TEST

// A loss that no embedding can lower stays at chance: that of the images it is taken of.
static const struct { float temperature; uint32_t accumulate; bool cached; uint32_t alarms; } stuck[] = {
    { 100, 1, false, 1 }, { 100, 2, false, 1 }, { 100, 2, true, 1 }, { 0.2f, 1, false, 0 },
};

START_TEST(collapse_is_named)
{
    struct vkd_recipe r = recipe("simclr", "ssl");
    struct vkd_train_result res;
    char name[32], line[1024], file[64];
    r.ssl.temperature = stuck[_i].temperature;
    r.accumulate = stuck[_i].accumulate;
    r.ssl.grad_cache = stuck[_i].cached;
    r.epochs = 12;
    snprintf(name, sizeof(name), "stuck-%d", _i);
    ck_assert_int_eq(world_train(&r, name, false, 0, &res), VKD_OK);
    snprintf(file, sizeof(file), "%s/metrics.jsonl", name);
    FILE *f = fopen(world_path(file), "r");
    ck_assert_ptr_nonnull(f);
    uint32_t alarms = 0;
    while (fgets(line, sizeof(line), f))
        alarms += strstr(line, "\"collapse\"") && strstr(line, "loss of a collapsed network");
    fclose(f);
    ck_assert_uint_eq(alarms, stuck[_i].alarms);
    if (alarms)
        ck_assert_msg(strstr(gpu_last_warning, "simclr looks collapsed for 100 steps"), "%s", gpu_last_warning);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("what learns");
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, world_open, world_close);
    tcase_add_loop_test(t, rates_of_groups, 0, sizeof(rates) / sizeof(rates[0]));
    tcase_add_test(t, groups_of_names);
    tcase_add_test(t, warm_up_is_for_the_head);
    tcase_add_loop_test(t, frozen_stages_and_statistics, 0, 2);
    tcase_add_test(t, self_supervision_that_stays);
    tcase_add_test(t, a_deep_head_is_tested_by_a_probe);
    tcase_add_test(t, an_alarm_lasts);
    tcase_add_loop_test(t, collapse_is_named, 0, sizeof(stuck) / sizeof(stuck[0]));
    suite_add_tcase(s, t);
    return gpu_run(s);
}
