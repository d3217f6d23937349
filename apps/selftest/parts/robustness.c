// robustness.c -- whole runs that are stopped, resumed, starved of memory, or lose their device; what they leave behind; and
// how long the longest submission is.
#include "apps/selftest/selftest.h"

#include "runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vkdiv/model.h>
#include <vkdiv/program.h>

// ---- Runs on images of noise -------------------------------------------------------------------

struct runs { struct selftest_run *t; };

static bool runs_open(struct runs *r, struct selftest_run *t)
{
    r->t = t;
    if (t->scratch[0] == 0)
        selftest_say(t, SELFTEST_FAIL, "no folder for a run can be made in $TMPDIR or /tmp");
    return t->scratch[0] != 0;
}

static bool stop(void *user)
{
    uint32_t *left = user;
    return *left > 0 && --*left == 0;
}

// A run of 20 steps into a folder NAME, on a device of its own that has `faults`, stopped when asked for the `stop_at`-th time
// (0: never). *submissions may be NULL. False after a verdict: the device leaves something behind, or cannot be opened.
static bool run_into(struct runs *r, const char *name, struct vkd_faults faults, uint32_t stop_at, vkd_result *result,
                     struct vkd_train_result *out, uint64_t *submissions)
{
    struct selftest_run *t = r->t;
    struct vkd_device_params dp;
    struct vkd_recipe re;
    vkd_device *dev = NULL;
    char path[600], file[700];
    snprintf(path, sizeof path, "%s/%s", t->scratch, name);
    snprintf(file, sizeof file, "%s/run.json", path);
    if (!selftest_device_params(t, &dp))
        return false;
    dp.faults = faults;
    dp.submission_seconds = 1e-12;      // a list each, so that all runs have as many
    if (!selftest_ok(t, vkd_device_create(&dp, &dev), "the device could not be opened"))
        return false;
    vkd_recipe_default(&re);
    re.data.train = "noise:160x12x3x4";
    re.data.threads = 1;
    re.model.width = 4;
    re.model.size = 12;
    re.batch = 16;
    re.epochs = 2;
    re.optimizer.lr = 0.05f;
    re.seed = 5;
    selftest_at(t, "run %s", name);
    *result = vkd_train(dev, &(struct vkd_train_params){
        .recipe = &re, .out_dir = path, .resume = vkd__path_kind(file, NULL, NULL) == VKD__PATH_FILE, .quiet = true,
        .command_line = "selftest", .stop = stop, .user = &stop_at }, out);
    if (submissions != NULL)
        *submissions = vkd_device_stats(dev).submissions;
    uint64_t messages = vkd_device_stats(dev).validation_messages;
    char said[sizeof t->last_error];
    memcpy(said, t->last_error, sizeof said);
    t->last_error[0] = 0;
    vkd_device_destroy(&dev);
    if (t->last_error[0] != 0)      // it says what was not destroyed
        selftest_say(t, SELFTEST_FAIL, "run %s leaves something behind: %s", name, t->last_error);
    else if (messages != 0)
        selftest_say(t, SELFTEST_FAIL, "run %s: %llu messages of the validation layer", name, (unsigned long long)messages);
    memcpy(t->last_error, said, sizeof said);
    return !t->said;
}

// A run that must succeed. False after a verdict.
static bool run_whole(struct runs *r, const char *name, struct vkd_train_result *out, uint64_t *submissions)
{
    vkd_result result;
    return run_into(r, name, (struct vkd_faults){ 0 }, 0, &result, out, submissions) && selftest_ok(r->t, result, "training");
}

// A run that must end like that, and then, on a fresh device, with the weights that `whole` has. False after a verdict.
static bool run_broken(struct runs *r, const char *name, struct vkd_faults faults, uint32_t stop_at, vkd_result expected,
                       const struct vkd_train_result *whole)
{
    struct vkd_train_result out;
    vkd_result result;
    if (!run_into(r, name, faults, stop_at, &result, &out, NULL))
        return false;
    if (result != expected) {
        selftest_say(r->t, SELFTEST_FAIL, "run %s: %s, expected: %s", name, vkd_result_text(result), vkd_result_text(expected));
        return false;
    }
    if (!run_whole(r, name, &out, NULL))
        return false;
    if (out.weights_hash != whole->weights_hash)
        selftest_say(r->t, SELFTEST_FAIL, "run %s, gone on with: weights %016llx, without interruption %016llx", name,
                     (unsigned long long)out.weights_hash, (unsigned long long)whole->weights_hash);
    return out.weights_hash == whole->weights_hash;
}

// Memory of this process in KiB; 0 where the system does not tell it.
static double resident(void)
{
    double kib = 0;
    char line[256];
    FILE *f = fopen("/proc/self/status", "r");
    while (f != NULL && kib == 0 && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtod(line + 6, NULL);
    if (f != NULL)
        fclose(f);
    return kib;
}

enum { LEAK_RUNS = 4, LEAK_KIB = 32 * 1024 };   // of all runs together; drivers and malloc keep some

static void leaks(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    struct runs r;
    struct vkd_train_result out = { 0 };
    char name[32];
    double first = 0;
    if (!runs_open(&r, t))
        return;
    bool good = run_whole(&r, "first", &out, NULL);
    const int count = t->quick ? LEAK_RUNS / 2 : LEAK_RUNS;
    for (int i = 0; good && i < count; i++) {
        snprintf(name, sizeof name, "run%d", i);
        first = i == 0 ? resident() : first;
        good = run_whole(&r, name, &out, NULL);
    }
    double grown = resident() - first;
    if (good && out.steady_allocations > 0)
        selftest_say(t, SELFTEST_FAIL, "%llu objects of the device were made by steps after the second",
                     (unsigned long long)out.steady_allocations);
    else if (good) {
        selftest_number(t, "grown_kib", grown);
        selftest_say(t, grown <= LEAK_KIB ? SELFTEST_PASS : SELFTEST_FAIL, "no buffer or list is left after a run, and %d more "
                     "runs let the process grow by %.0f KiB (allowed %d)", count, grown, LEAK_KIB);
    }
}

static void resume(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    struct runs r;
    struct vkd_train_result whole;
    const struct vkd_faults none = { 0 };
    if (!runs_open(&r, t))
        return;
    if (run_whole(&r, "whole", &whole, NULL) && run_broken(&r, "stopped", none, 7, VKD_INTERRUPTED, &whole) &&
        run_broken(&r, "late", none, 14, VKD_INTERRUPTED, &whole))
        selftest_say(t, SELFTEST_PASS, "stopped and resumed, the weights are those of an uninterrupted run: %016llx",
                     (unsigned long long)whole.weights_hash);
}

static void out_of_memory(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    static const uint32_t at[] = { 1, 2, 6, 12, 16 };
    struct runs r;
    struct vkd_train_result whole;
    char name[32];
    const uint32_t count = sizeof at / sizeof at[0];
    uint32_t done = 0;
    if (!runs_open(&r, t))
        return;
    if (run_whole(&r, "whole", &whole, NULL))
        for (uint32_t i = 0; i < count; i++) {
            snprintf(name, sizeof name, "memory-%u", at[i]);
            if (!run_broken(&r, name, (struct vkd_faults){ .memory = at[i] }, 0, VKD_NO_MEMORY, &whole))
                break;
            done++;
        }
    if (done == count)
        selftest_say(t, SELFTEST_PASS, "memory refused for one of %u buffers: the error is returned, nothing is left behind, and a "
                     "second try ends with the same weights", count);
}

static void objects(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    static const struct { const char *name; struct vkd_faults faults; } kinds[] = {
        { "pipeline-1", { .pipeline = 1 } }, { "pipeline-9", { .pipeline = 9 } }, { "pool-1", { .pool = 1 } },
        { "pool-5", { .pool = 5 } }, { "map-1", { .map = 1 } },
    };
    const uint32_t count = sizeof kinds / sizeof kinds[0];
    struct runs r;
    struct vkd_train_result whole;
    uint32_t done = 0;
    if (!runs_open(&r, t))
        return;
    if (run_whole(&r, "whole", &whole, NULL))
        while (done < count && run_broken(&r, kinds[done].name, kinds[done].faults, 0, VKD_NO_MEMORY, &whole))
            done++;
    if (done == count)
        selftest_say(t, SELFTEST_PASS, "pipelines, pools of descriptors and mappings refused, %u times: the error is returned, "
                     "nothing is left behind, and a second try ends with the same weights", count);
}

static void device_lost(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    struct runs r;
    struct vkd_train_result whole;
    uint64_t all = 0;
    char name[32];
    uint32_t done = 0;
    if (!runs_open(&r, t))
        return;
    if (run_whole(&r, "whole", &whole, &all)) {
        const uint64_t at[] = { 1, all / 2, all };
        for (; done < 3; done++) {
            snprintf(name, sizeof name, "lost-%u", (unsigned)at[done]);
            if (!run_broken(&r, name, (struct vkd_faults){ .submit = at[done] }, 0, VKD_DEVICE_LOST, &whole))
                break;
        }
        if (done == 3)
            done += run_broken(&r, "lost-wait", (struct vkd_faults){ .wait = 7 }, 0, VKD_DEVICE_LOST, &whole);
    }
    if (done == 4)
        selftest_say(t, SELFTEST_PASS, "lost at the first, middle and last of %u submissions, and at a wait: the error is "
                     "returned, nothing is left behind, and a run on a fresh device goes on to the same weights", (unsigned)all);
}

// ---- The longest submission --------------------------------------------------------------------

enum { WATCHDOG_MS = 2000, BUDGET_MS = 100, REPEATS = 3 };

// Forward and backward of a ResNet-18: on GPUs 128 images and full width, on CPU drivers a small one.
static vkd_result make_program(struct selftest_run *t, vkd_graph **g, vkd_params **params, vkd_program **program)
{
    bool cpu = vkd_device_caps(t->dev)->cpu;
    uint32_t batch = cpu ? 16 : 128, width = cpu ? 8 : 64;
    vkd_result r = vkd_graph_create(&t->log, g);
    if (r != VKD_OK)
        return r;
    vkd_tensor *images = vkd_input(*g, "images", VKD_F32, (struct vkd_shape){ { batch, 32, 32, 3 } });
    vkd_tensor *labels = vkd_input(*g, "labels", VKD_U32, (struct vkd_shape){ { 1, 1, 1, batch } });
    struct vkd_model m = vkd_model_build(*g, images, &(struct vkd_model_params){ .arch = "resnet18", .width = width,
                                                                                  .cifar_stem = true, .classes = 10 });
    vkd_graph_loss(*g, vkd_cross_entropy(*g, m.logits, labels, 0));
    r = vkd_params_create(t->dev, *g, true, params);
    if (r == VKD_OK)
        r = vkd_params_init(*params, 1);
    if (r == VKD_OK)
        r = vkd_program_create(t->dev, *g, *params, &(struct vkd_program_params){ .training = true, .backward = true }, program);
    return r;
}

// Seconds of the longest of the program's submissions, each at its best.
static vkd_result time_segments(vkd_device *dev, vkd_program *program, double *longest, uint32_t *count)
{
    vkd_commands *const *segments = vkd_program_segments(program, count);
    uint64_t ticket;
    vkd_result r = vkd_program_run(program, NULL, &ticket);     // drivers may still compile
    if (r == VKD_OK)
        r = vkd_wait(dev, ticket, UINT64_MAX, NULL);
    *longest = 0;
    for (uint32_t i = 0; r == VKD_OK && i < *count; i++) {
        double best = 1e9;
        for (int k = 0; r == VKD_OK && k < REPEATS; k++) {
            double start = vkd__os_seconds();
            r = vkd_submit(dev, &segments[i], 1, &ticket);
            if (r == VKD_OK)
                r = vkd_wait(dev, ticket, UINT64_MAX, NULL);
            best = fmin(best, vkd__os_seconds() - start);
        }
        *longest = fmax(*longest, best);
    }
    return r;
}

static void watchdog(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    vkd_graph *g = NULL;
    vkd_params *params = NULL;
    vkd_program *program = NULL;
    double longest = 0;
    uint32_t count = 0;
    bool cpu = vkd_device_caps(t->dev)->cpu;
    vkd_result r = make_program(t, &g, &params, &program);
    if (r == VKD_OK)
        r = time_segments(t->dev, program, &longest, &count);
    vkd_program_destroy(&program);
    vkd_params_destroy(&params);
    vkd_graph_destroy(&g);
    if (!selftest_ok(t, r, "forward and backward of resnet18"))
        return;
    double ms = 1e3 * longest;
    selftest_number(t, "longest_ms", ms);
    selftest_say(t, cpu || ms <= BUDGET_MS ? SELFTEST_PASS : ms <= WATCHDOG_MS / 2 ? SELFTEST_FALLBACK : SELFTEST_FAIL,
                 "the longest of %u lists, which a submission has one of at least, takes %.1f ms%s", count, ms,
                 cpu ? "; CPU drivers have no watchdog" : "; the budget is 100 ms, watchdogs come after 2 s");
}

static const struct selftest_probe probes[] = {
    { .name = "submission", .about = "the longest submission, against drivers' watchdogs", .run = watchdog },
    { .name = "leaks", .about = "a run leaves nothing behind, in the device or the driver", .run = leaks, .no_device = true },
    { .name = "resume", .about = "stopped and resumed, a run ends with the same weights", .run = resume, .no_device = true },
    { .name = "memory", .about = "out of memory at the n-th buffer", .run = out_of_memory, .no_device = true,
      .slow = true },
    { .name = "objects", .about = "pipelines, pools of descriptors and mappings refused", .run = objects, .no_device = true,
      .slow = true },
    { .name = "lost", .about = "the device lost at the n-th submission or wait", .run = device_lost, .no_device = true },
};

const struct selftest_part selftest_part_robustness = {
    .name = "robustness", .title = "Robustness", .place = 70, .probes = probes, .count = sizeof probes / sizeof probes[0],
};
