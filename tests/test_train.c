// test_train.c -- whole trainings on a small made-up image set: learning, resuming, failing.
#include <vkdiv/train.h>

#include "engine/safetensors.h"
#include "runtime/os.h"
#include "tests/gpu.h"
#include "tests/train_world.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char spec[128];

enum { CLASSES = 10 };      // of which the set has WORLD_CLASSES

static struct vkd_recipe recipe(void)
{
    struct vkd_recipe r = world_recipe();
    r.data.train = spec;
    return r;
}

// ---- Running ----

struct watch { uint32_t stop_at, steps, evals, checkpoints, ends; float first_loss; };

static void progress(void *user, const struct vkd_progress *p)
{
    struct watch *w = user;
    if (p->event == VKD_PROGRESS_STEP) {
        if (!w->steps)
            w->first_loss = p->loss;
        w->steps = p->step;
    }
    w->evals += p->event == VKD_PROGRESS_EVAL;
    w->checkpoints += p->event == VKD_PROGRESS_CHECKPOINT;
    w->ends += p->event == VKD_PROGRESS_END;
}

static bool stop_now(void *user)
{
    struct watch *w = user;
    return w->stop_at && --w->stop_at == 0;
}

static vkd_result train(const struct vkd_recipe *r, const char *name, bool resume, struct watch *w, struct vkd_train_result *out)
{
    char dir[128];
    snprintf(dir, sizeof(dir), "%s/%s", world.root, name);
    return vkd_train(world.dev, &(struct vkd_train_params) {
        .recipe = r, .out_dir = dir, .resume = resume, .command_line = "test", .progress = progress, .stop = stop_now, .user = w,
    }, out);
}

START_TEST(learns_and_repeats_bit_for_bit)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result a, b, c;
    struct watch w = { 0 }, quiet = { 0 };
    r.augment.name = "pad-crop";
    r.augment.pad = 1;
    r.augment.flip = 0;
    ck_assert_int_eq(train(&r, "learn-a", false, &w, &a), VKD_OK);
    ck_assert_uint_eq(a.steps, 30);
    ck_assert_uint_eq(w.evals, 3);
    ck_assert_uint_eq(w.ends, 1);
    ck_assert_float_ge(a.test_accuracy, 0.9f);
    ck_assert_uint_eq(a.steady_allocations, 0);
    ck_assert_int_eq(train(&r, "learn-b", false, &quiet, &b), VKD_OK);
    ck_assert(a.weights_hash == b.weights_hash);
    r.seed = 6;
    r.eval_every = 1u << 31;            // times 10 steps it does not fit 32 bits
    ck_assert_int_eq(train(&r, "learn-c", false, &quiet, &c), VKD_OK);
    ck_assert(a.weights_hash != c.weights_hash);
}
END_TEST

START_TEST(overfits_one_batch)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result res;
    struct watch w = { 0 };
    char limited[160];
    snprintf(limited, sizeof(limited), "%s?limit=16", spec);
    r.data.train = limited;
    r.data.test = spec;
    r.epochs = 150;
    r.eval_every = 0;
    r.checkpoint_minutes = 0;
    r.optimizer.weight_decay = 0;
    ck_assert_int_eq(train(&r, "overfit", false, &w, &res), VKD_OK);
    ck_assert_float_lt(res.train_loss, 0.05f);
}
END_TEST

// One row per way a run can be configured or stopped; each must resume to the same weights and results.
// `stop_at` counts what stop() is asked after: 10 steps of an epoch, then 4 batches of its evaluation.
static const struct { const char *optimizer, *augment; uint32_t accumulate, stop_at, steps; float ema; } resumes[] = {
    { "sgd", "none", 1, 7, 7, 0 },
    { "adamw", "resized-crop", 2, 10, 10, 0.9f },   // at the end of an epoch
    { "lars", "pad-crop", 1, 31, 23, 0 },
    { "sgd", "none", 1, 12, 10, 0 },                // in an evaluation
    { "sgd", "none", 1, 38, 30, 0 },                // after the last step
};

START_TEST(resumed_equals_uninterrupted)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result whole, part;
    struct watch quiet = { 0 }, w = { .stop_at = resumes[_i].stop_at };
    char name[32];
    r.optimizer.name = resumes[_i].optimizer;
    r.optimizer.lr = _i == 1 ? 0.003f : 0.05f;
    r.augment.name = resumes[_i].augment;
    r.accumulate = resumes[_i].accumulate;
    r.ema = resumes[_i].ema;
    r.schedule.warmup_epochs = 1;
    r.label_smoothing = 0.1f;
    snprintf(name, sizeof(name), "whole-%d", _i);
    ck_assert_int_eq(train(&r, name, false, &quiet, &whole), VKD_OK);
    snprintf(name, sizeof(name), "parts-%d", _i);
    ck_assert_int_eq(train(&r, name, false, &w, &part), VKD_INTERRUPTED);
    ck_assert_uint_eq(part.steps, resumes[_i].steps);
    ck_assert((part.weights_hash == whole.weights_hash) == (part.steps == whole.steps));
    for (int times = 0; times < 2; times++) {       // the second time there is nothing left to do
        ck_assert_int_eq(train(&r, name, true, &quiet, &part), VKD_OK);
        ck_assert_uint_eq(part.steps, whole.steps);
        ck_assert(part.weights_hash == whole.weights_hash);
        ck_assert_float_eq(part.test_accuracy, whole.test_accuracy);
        ck_assert_float_eq(part.test_loss, whole.test_loss);
        ck_assert_float_eq(part.best_accuracy, whole.best_accuracy);
        ck_assert_float_gt(part.train_loss, 0);
    }
}
END_TEST

// metrics.jsonl of an interrupted and resumed run has each step and evaluation once, in order.
START_TEST(metrics_are_whole)
{
    char path[160], line[1024];
    snprintf(path, sizeof(path), "%s/parts-%d/metrics.jsonl", world.root, _i);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    json_int_t last = 0, last_trained = 0, evals = 0, ends = 0;
    while (fgets(line, sizeof(line), f)) {
        json_t *event = json_loads(line, 0, NULL);
        ck_assert_msg(event && json_is_string(json_object_get(event, "event")), "not an event: %s", line);
        ck_assert(json_is_integer(json_object_get(event, "step")) && json_is_number(json_object_get(event, "seconds")));
        json_int_t step = json_integer_value(json_object_get(event, "step"));
        ck_assert_int_ge(step, last);
        if (!strcmp(json_string_value(json_object_get(event, "event")), "step")) {
            ck_assert_int_gt(step, last_trained);
            last_trained = step;
        }
        evals += !strcmp(json_string_value(json_object_get(event, "event")), "eval");
        ends += !strcmp(json_string_value(json_object_get(event, "event")), "end");
        last = step;
        json_decref(event);
    }
    fclose(f);
    ck_assert_int_eq(last, 30);
    ck_assert_int_eq(evals, 3);
    ck_assert_int_eq(ends, 1);
}
END_TEST

START_TEST(divergence_names_step_and_tensor)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result res;
    struct watch w = { 0 };
    r.optimizer.lr = 1000;              // times a decay of 10: each step multiplies the weights by -9999
    r.optimizer.weight_decay = 10;
    r.schedule.name = "constant";
    ck_assert_int_eq(train(&r, "diverge", false, &w, &res), VKD_DIVERGED);
    ck_assert_msg(strstr(gpu_last_error, "step ") && strstr(gpu_last_error, "first in the "), "%s", gpu_last_error);
}
END_TEST

// The statistics that evaluation uses, and training does not, overflow.
START_TEST(evaluation_that_is_not_finite_ends_the_run)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result res;
    struct watch w = { 0 };
    struct vkd__st_tensor tensors[160];
    char from[128], to[128];
    float huge[4] = { -3e38f, -3e38f, -3e38f, -3e38f };
    vkd__st_file *f;
    r.steps = 1;
    ck_assert_int_eq(train(&r, "finite", false, &w, &res), VKD_OK);
    snprintf(from, sizeof(from), "%s/finite/last.safetensors", world.root);
    snprintf(to, sizeof(to), "%s/huge.safetensors", world.root);
    ck_assert_int_eq(vkd__st_open(from, NULL, &f), VKD_OK);
    ck_assert_uint_le(vkd__st_count(f), 160);
    for (uint32_t i = 0; i < vkd__st_count(f); i++) {
        tensors[i] = *vkd__st_at(f, i);
        if (!strcmp(tensors[i].name, "bn1.running_mean"))
            tensors[i].data = huge;
    }
    ck_assert_int_eq(vkd__st_write(to, NULL, tensors, vkd__st_count(f), NULL, 0), VKD_OK);
    vkd__st_close(&f);
    r.init = to;
    ck_assert_int_eq(train(&r, "infinite", false, &w, &res), VKD_DIVERGED);
    ck_assert_msg(strstr(gpu_last_error, "step 1: the loss of the test set is not finite"), "%s", gpu_last_error);
}
END_TEST

// An image without a class; the SPEC of the set it makes.
static const char *flat_set(void)
{
    static char text[128];
    char path[128];
    struct vkd__why why;
    snprintf(text, sizeof(text), "folder:%s/flat?split=all", world.root);
    snprintf(path, sizeof(path), "%s/flat", world.root);
    ck_assert_int_eq(vkd__dir_create(path, &why), VKD_OK);
    snprintf(path, sizeof(path), "%s/flat/one.pgm", world.root);
    ck_assert_int_eq(vkd__file_replace(path, "P5 1 1 255 x", 12, &why), VKD_OK);
    return text;
}

// Each row: what is wrong before training starts, and a part of the message.
static const struct { const char *what, *part; vkd_result result; } refusals[] = {
    { "accumulate does not divide batch", "multiple of accumulate", VKD_INVALID },
    { "optimiser name", "did you mean \"adamw\"", VKD_INVALID },
    { "batch larger than the set", "smaller batch", VKD_INVALID },
    { "folder of another run", "already holds a run", VKD_INVALID },
    { "resume without a run", "no run to resume", VKD_INVALID },
    { "resume with another recipe", "optimizer.lr was 0.05 and is now 0.1", VKD_INVALID },
    { "model name", "resnet", VKD_INVALID },
    { "missing data", "nowhere", VKD_IO },
    { "init file missing", "none.safetensors", VKD_IO },
    { "too large", "fits", VKD_NO_MEMORY },
    { "damaged checkpoint", "is damaged", VKD_FORMAT },
    { "too many at once", "accumulate=31", VKD_NO_MEMORY },     // of 31 images no other share is whole
    { "images without labels", "have no label", VKD_INVALID },
    { "one value to normalise", "more than one value per channel", VKD_INVALID },
};

START_TEST(wrong_runs_are_refused)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result res;
    struct watch w = { 0 };
    char name[32];
    bool resume = _i == 4 || _i == 5 || _i == 10;
    snprintf(name, sizeof(name), _i == 3 || _i == 5 || _i == 10 ? "learn-a" : "refused-%d", _i);
    switch (_i) {
    case 0: r.accumulate = 3; break;
    case 1: r.optimizer.name = "adanw"; break;
    case 2: r.batch = 1000; break;
    case 5: r.augment.name = "pad-crop"; r.augment.pad = 1; r.augment.flip = 0; r.optimizer.lr = 0.1f; break;
    case 6: r.model.arch = "resnet81"; break;
    case 7: r.data.train = "idx:/nowhere"; break;
    case 8: r.init = "/nowhere/none.safetensors"; break;
    case 9: r.model.size = 1792; r.model.width = 64; r.batch = 16; break;
    case 11: r.model.size = 1024; r.batch = 31; break;
    case 13: r.model.size = 4; r.batch = 1; break;
    case 12: r.data.train = r.data.test = flat_set(); break;
    case 10: r.augment.name = "pad-crop"; r.augment.pad = 1; r.augment.flip = 0; break;
    }
    if (_i == 10) {         // flip one bit in the middle of the newest checkpoint
        char path[160];
        snprintf(path, sizeof(path), "%s/learn-a/state/step-00000030.safetensors", world.root);
        FILE *f = fopen(path, "r+b");
        ck_assert_ptr_nonnull(f);
        fseek(f, 4000, SEEK_SET);
        int byte = fgetc(f);
        fseek(f, 4000, SEEK_SET);
        fputc(byte ^ 1, f);
        fclose(f);
    }
    gpu_last_error[0] = 0;
    vkd_result result = train(&r, name, resume, &w, &res);
    ck_assert_msg(result == refusals[_i].result, "%s: %s (%s)", refusals[_i].what, vkd_result_text(result), gpu_last_error);
    ck_assert_msg(strstr(gpu_last_error, refusals[_i].part), "%s: %s", refusals[_i].what, gpu_last_error);
    ck_assert_uint_eq(w.steps, 0);
}
END_TEST

// A file size limit stands in for a full disk: writes beyond it fail in the same way. The checkpoint
// from before survives, and the run goes on from it to the same weights.
START_TEST(full_disk_loses_nothing)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result whole, res;
    struct watch quiet = { 0 }, w = { .stop_at = 10 };
    struct rlimit unlimited, small;
    ck_assert_int_eq(train(&r, "full-whole", false, &quiet, &whole), VKD_OK);
    ck_assert_int_eq(train(&r, "full", false, &w, &res), VKD_INTERRUPTED);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    small = unlimited;
    small.rlim_cur = 100000;            // metrics.jsonl fits, weights do not
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    vkd_result failed = train(&r, "full", true, &quiet, &res);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    signal(SIGXFSZ, before);
    ck_assert_int_eq(failed, VKD_IO);
    ck_assert_msg(strstr(gpu_last_error, "full/") && strstr(gpu_last_error, "File too large"), "%s", gpu_last_error);
    ck_assert_int_eq(train(&r, "full", true, &quiet, &res), VKD_OK);
    ck_assert(res.weights_hash == whole.weights_hash);
}
END_TEST

// Killed before the first checkpoint: the run begins again, with the same result.
START_TEST(resume_without_a_checkpoint_starts_over)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result whole, res;
    struct watch quiet = { 0 };
    char command[160];
    r.epochs = 1;
    ck_assert_int_eq(train(&r, "killed", false, &quiet, &whole), VKD_OK);
    snprintf(command, sizeof(command), "rm -r %s/killed/state", world.root);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(train(&r, "killed", true, &quiet, &res), VKD_OK);
    ck_assert_uint_eq(res.steps, whole.steps);
    ck_assert(res.weights_hash == whole.weights_hash);
}
END_TEST

static void write_pgm(const char *split, uint32_t class, uint32_t index, bool whole)
{
    struct vkd__why why;
    char path[160];
    snprintf(path, sizeof(path), "%s/pictures/%s/%c", world.root, split, 'a' + class);
    ck_assert_int_eq(vkd__dir_create(path, &why), VKD_OK);
    snprintf(path, sizeof(path), "%s/pictures/%s/%c/%02u.pgm", world.root, split, 'a' + class, index);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "P5\n%d %d\n255\n", WORLD_SIDE, WORLD_SIDE);
    for (int i = 0; i < (whole ? WORLD_SIDE * WORLD_SIDE : 5); i++)
        fputc((int) (class * 100 + (uint32_t) i % 50), f);
    fclose(f);
}

// A broken image is replaced, counted and in the log; past the limit the run ends with its name.
START_TEST(unreadable_images_are_counted)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result res;
    struct watch w = { 0 };
    char set[128], path[160], line[1024];
    for (uint32_t i = 0; i < 16; i++) {
        write_pgm("train", i % 2, i, i != 6 && i != 9);
        write_pgm("test", i % 2, i, i != 3);
    }
    snprintf(set, sizeof(set), "folder:%s/pictures", world.root);
    r.data.train = set;
    r.batch = 8;
    r.data.bad_limit = 2;
    ck_assert_int_eq(train(&r, "pictured", false, &w, &res), VKD_OK);
    snprintf(path, sizeof(path), "%s/pictured/metrics.jsonl", world.root);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    json_int_t counted = 0;
    while (fgets(line, sizeof(line), f)) {
        json_t *event = json_loads(line, 0, NULL);
        if (!strcmp(json_string_value(json_object_get(event, "event")), "warning"))
            counted = json_integer_value(json_object_get(event, "count"));
        json_decref(event);
    }
    fclose(f);
    ck_assert_int_eq(counted, 2);
    snprintf(path, sizeof(path), "%s/pictured", world.root);
    struct vkd_eval_result ev;
    ck_assert_int_eq(vkd_eval(world.dev, &(struct vkd_eval_params) { .path = path, .batch = 5 }, &ev), VKD_OK);
    ck_assert_uint_eq(ev.count, 15);            // nothing stands in for the sixteenth
    ck_assert_float_eq_tol(ev.top1, res.test_accuracy, 1e-6f);
    vkd_eval_result_finish(&ev);
    r.data.bad_limit = 1;
    ck_assert_int_eq(train(&r, "pictured-limited", false, &w, &res), VKD_FORMAT);
    ck_assert_msg(strstr(gpu_last_error, "limit"), "%s", gpu_last_error);
}
END_TEST

START_TEST(unwritable_folder_is_said)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result res;
    struct watch w = { 0 };
    ck_assert_int_eq(train(&r, "data/train-labels-idx1-ubyte/run", false, &w, &res), VKD_IO);
    ck_assert_msg(strstr(gpu_last_error, "train-labels-idx1-ubyte"), "%s", gpu_last_error);
}
END_TEST

START_TEST(evaluation_agrees_with_training)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result res;
    struct vkd_eval_result ev;
    struct watch w = { 0 };
    char dir[128];
    r.epochs = 1;
    ck_assert_int_eq(train(&r, "evaluated", false, &w, &res), VKD_OK);
    snprintf(dir, sizeof(dir), "%s/evaluated", world.root);
    for (uint32_t batch = 7; batch <= 64; batch += 57) {
        ck_assert_int_eq(vkd_eval(world.dev, &(struct vkd_eval_params) { .path = dir, .batch = batch }, &ev), VKD_OK);
        ck_assert_uint_eq(ev.count, WORLD_TEST);
        ck_assert_uint_eq(ev.classes, CLASSES);
        ck_assert_float_eq_tol(ev.top1, res.test_accuracy, 1e-6f);
        ck_assert_float_eq_tol(ev.loss, res.test_loss, 1e-4f);
        float mean = 0;
        for (uint32_t c = 0; c < ev.classes; c++) {
            ck_assert_int_eq(isnan(ev.per_class[c]) != 0, c >= WORLD_CLASSES);
            mean += c < WORLD_CLASSES ? ev.per_class[c] / WORLD_CLASSES : 0;
        }
        ck_assert_float_eq_tol(mean, ev.top1, 1e-5f);
        vkd_eval_result_finish(&ev);
    }
}
END_TEST

// A recipe that leaves the width to the architecture gives files that tell it.
START_TEST(default_width_is_evaluated)
{
    struct vkd_recipe r = recipe();
    struct vkd_train_result res;
    struct vkd_eval_result ev;
    struct watch w = { 0 };
    char dir[128];
    r.model.arch = "mobilenet_v2";
    r.model.width = 0;
    r.steps = 1;
    ck_assert_int_eq(train(&r, "default-width", false, &w, &res), VKD_OK);
    snprintf(dir, sizeof(dir), "%s/default-width", world.root);
    ck_assert_int_eq(vkd_eval(world.dev, &(struct vkd_eval_params) { .path = dir, .batch = 16 }, &ev), VKD_OK);
    ck_assert_float_eq_tol(ev.top1, res.test_accuracy, 1e-6f);
    vkd_eval_result_finish(&ev);
}
END_TEST

static void open_all(void)
{
    world_open();
    snprintf(spec, sizeof(spec), "idx:%s/data", world.root);
}

int main(void)
{
    Suite *s = suite_create("train");
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, open_all, world_close);
    tcase_add_test(t, learns_and_repeats_bit_for_bit);
    tcase_add_test(t, overfits_one_batch);
    tcase_add_loop_test(t, resumed_equals_uninterrupted, 0, sizeof(resumes) / sizeof(resumes[0]));
    tcase_add_loop_test(t, metrics_are_whole, 0, sizeof(resumes) / sizeof(resumes[0]));
    tcase_add_test(t, divergence_names_step_and_tensor);
    tcase_add_test(t, evaluation_that_is_not_finite_ends_the_run);
    tcase_add_loop_test(t, wrong_runs_are_refused, 0, sizeof(refusals) / sizeof(refusals[0]));
    tcase_add_test(t, full_disk_loses_nothing);
    tcase_add_test(t, resume_without_a_checkpoint_starts_over);
    tcase_add_test(t, unreadable_images_are_counted);
    tcase_add_test(t, unwritable_folder_is_said);
    tcase_add_test(t, evaluation_agrees_with_training);
    tcase_add_test(t, default_width_is_evaluated);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
