// bench_models.c -- whole training steps of recipes, on images of noise: data, views, network, optimiser.
//
// Recipes of a group are timed in turns (A B A B ...), so that what else the machine does strikes all alike.
#include "apps/vkdiv/bench.h"
#include "apps/vkdiv/recipe.h"

#include "engine/train/step_bench.h"
#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 64, SLOTS_MAX = 16, KNOWN_SETS = 4 };

// What is measured when no recipe is named: recipes of one group stand side by side.
static const struct { uint32_t group; const char *recipe, *noise, *sets[KNOWN_SETS]; } known[] = {
    { 0, "supervised-cifar10", "32x3x10", { "model.width=16", "batch=256" } },
    { 0, "simclr-cifar10", "32x3x10", { "model.width=16", "batch=128" } },
    { 1, "fashion-quickstart", "28x1x10", { "batch=64" } },
    { 2, "fashion-resnet", "28x1x10", { "batch=64" } },
    { 3, "cifar10-resnet18", "32x3x10", { "batch=64" } },
    { 4, "folder-mobilenet", "128x3x100", { "batch=32" } },
};
enum { KNOWN_COUNT = sizeof known / sizeof known[0] };

// One kind of step of one recipe.
struct slot {
    struct recipe_file file;
    vkd__step_bench *bench;
    uint32_t steps;             // of a turn
    double times[ROUNDS_MAX];   // of a step, by round
};

struct group { struct slot slots[SLOTS_MAX]; uint32_t count; };

static void group_finish(struct group *g)
{
    for (uint32_t i = 0; i < g->count; i++) {
        vkd__step_bench_close(&g->slots[i].bench);
        recipe_finish(&g->slots[i].file);
    }
    g->count = 0;
}

// ---- Opening ----

// Enough images for any batch; a fixed set of a few for the tests that a run makes.
static void noise_sets(const struct vkd_recipe *re, const char *noise, char train[80], char test[80])
{
    char sizes[32];
    snprintf(sizes, sizeof sizes, "%ux3x10", re->model.size);
    uint32_t count = re->batch > 512 ? 2 * re->batch : 1024;
    snprintf(train, 80, "data.train=noise:%ux%s", count, noise != NULL ? noise : sizes);
    snprintf(test, 80, "data.test=noise:64x%s", noise != NULL ? noise : sizes);
}

// VKD_INVALID whatever is wrong: it is the recipe.
static vkd_result load(const struct recipe_params *p, struct recipe_file *out)
{
    char why[1024];
    if (recipe_load(p, out, why, sizeof why) == VKD_OK)
        return VKD_OK;
    app_error("%s", why);
    return VKD_INVALID;
}

static bool gives_data(const char *const *sets, uint32_t count)
{
    bool gives = false;
    for (uint32_t i = 0; i < count; i++)
        gives |= strncmp(sets[i], "data.train=", strlen("data.train=")) == 0;
    return gives;
}

// Loads a recipe with noise for its data, unless `own` overrides, which come last, name other data.
static vkd_result load_recipe(const char *name, const char *noise, const char *const *own, uint32_t own_count,
                              struct recipe_file *out)
{
    char train[80], test[80];
    const char *sets[BENCH_SETS_MAX + 4] = { "monitor.images=64", "monitor.knn_images=64", train, test };
    const uint32_t given = gives_data(own, own_count) ? 2 : 4;
    struct recipe_params p = { .name = name, .sets = own, .set_count = own_count };
    vkd_result r = load(&p, out);       // for the batch and the size that overrides ask for
    if (r != VKD_OK)
        return r;
    noise_sets(&out->recipe, noise, train, test);
    recipe_finish(out);
    memcpy(sets + given, own, own_count * sizeof *own);
    p.sets = sets;
    p.set_count = given + own_count;
    return load(&p, out);
}

// Adds a slot for each kind of step of a recipe.
static vkd_result add_recipe(const struct bench *b, struct group *g, const char *name, const char *noise,
                             const char *const *own, uint32_t own_count)
{
    uint32_t kinds = 1;
    vkd_result r = VKD_OK;
    for (uint32_t k = 0; r == VKD_OK && k < kinds && g->count < SLOTS_MAX; k++) {
        struct slot *s = &g->slots[g->count];
        *s = (struct slot) { .bench = NULL };
        r = load_recipe(name, noise, own, own_count, &s->file);
        if (r != VKD_OK)
            return r;
        g->count++;
        r = vkd__step_bench_open(b->dev, &s->file.recipe, k, &s->bench);
        if (r == VKD_OK)
            kinds = vkd__step_bench_kinds(s->bench);
    }
    return r;
}

// ---- Timing ----

// Two steps to warm up, in which drivers compile; then as many a turn as last a quarter of a second.
static vkd_result warm_up(struct group *g, double *round)
{
    vkd_result r = VKD_OK;
    *round = 0;
    for (uint32_t i = 0; r == VKD_OK && i < g->count && !app_stop(NULL); i++) {
        double warm = 0;
        for (int k = 0; r == VKD_OK && k < 2; k++)
            r = vkd__step_bench_run(g->slots[i].bench, 1, &warm);
        g->slots[i].steps = warm >= 0.25 || !(warm > 0) ? 1 : warm < 0.01 ? 25 : (uint32_t)(0.25 / warm);
        *round += warm * g->slots[i].steps;
    }
    return r;
}

static vkd_result time_rounds(struct group *g, uint32_t rounds)
{
    vkd_result r = VKD_OK;
    for (uint32_t n = 0; r == VKD_OK && n < rounds; n++)
        for (uint32_t i = 0; r == VKD_OK && i < g->count; i++)
            r = app_stop(NULL) ? VKD_INTERRUPTED
                               : vkd__step_bench_run(g->slots[i].bench, g->slots[i].steps, &g->slots[i].times[n]);
    return r;
}

static double median(double *x, uint32_t count)
{
    return vkd__bench_summary(x, count).median;
}

// Medians over a few steps that are taken apart.
static vkd_result time_parts(struct slot *s, uint32_t runs, struct bench_row *row)
{
    double seconds[VKD__PHASE_COUNT][8], shares[VKD__PHASE_COUNT][8], one[VKD__PHASE_COUNT];
    vkd_result r = vkd__step_bench_phases(s->bench, one);       // to warm up: lists of this kind are new
    runs = runs > 3 ? 3 : runs;
    for (uint32_t n = 0; r == VKD_OK && n < runs; n++) {
        r = app_stop(NULL) ? VKD_INTERRUPTED : vkd__step_bench_phases(s->bench, one);
        double all = 0;
        for (int i = 0; r == VKD_OK && i < VKD__PHASE_COUNT; i++)
            all += one[i];
        for (int i = 0; r == VKD_OK && i < VKD__PHASE_COUNT; i++) {
            seconds[i][n] = one[i];
            shares[i][n] = one[i] / all;
        }
    }
    for (int i = 0; r == VKD_OK && i < VKD__PHASE_COUNT; i++)
        row->parts[row->part_count++] = (struct bench_part) { vkd__phase_names[i], median(seconds[i], runs),
                                                              median(shares[i], runs) };
    return r;
}

// ---- Telling ----

static vkd_result tell_slot(const struct bench *b, struct slot *s, uint32_t rounds)
{
    struct vkd__step_info info = vkd__step_bench_info(s->bench);
    struct bench_row row = { .images = info.images, .work = info.work, .memory = (double)info.memory,
                             .step = true, .waits = info.waits };
    double times[ROUNDS_MAX];
    char views[24] = "";
    memcpy(times, s->times, sizeof times);
    row.time = vkd__bench_summary(times, rounds);
    vkd_result r = time_parts(s, rounds, &row);
    if (r != VKD_OK)
        return r;
    if (info.views > 1)
        snprintf(views, sizeof views, " x %u views", info.views);
    snprintf(row.name, sizeof row.name, "step %.50s", s->file.name);
    snprintf(row.shape, sizeof row.shape, "N%u%s H%u", info.images, views, info.size);
    snprintf(row.variant, sizeof row.variant, "%s, %s width %u, %s, %u calls, %u waits", info.kind, info.model,
             info.width, info.optimizer, info.calls, info.waits);
    b->tell(b->user, &row);
    return VKD_OK;
}

static void tell_ratio(const struct bench *b, const struct slot *s, const struct slot *base, uint32_t rounds)
{
    struct vkd__step_info a = vkd__step_bench_info(s->bench), c = vkd__step_bench_info(base->bench);
    double ratios[ROUNDS_MAX], scale = (double)c.images * c.views / ((double)a.images * a.views);
    for (uint32_t i = 0; i < rounds; i++)
        ratios[i] = scale * s->times[i] / base->times[i];
    struct bench_ratio ratio = { .time = vkd__bench_summary(ratios, rounds),
                                 .memory = scale * (double)a.memory / (double)c.memory };
    snprintf(ratio.name, sizeof ratio.name, "%.40s %s", s->file.name, a.kind);
    snprintf(ratio.base, sizeof ratio.base, "%.40s %s", base->file.name, c.kind);
    b->compare(b->user, &ratio);
}

static vkd_result run_group(const struct bench *b, struct group *g)
{
    double round;
    vkd_result r = warm_up(g, &round);
    uint32_t rounds = r == VKD_OK ? bench_runs(b, round) : 0;
    if (b->runs == 0 && g->count > 1 && rounds < 7)
        rounds = 7;                     // a ratio needs a steadier median
    rounds = rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX;
    if (r == VKD_OK)
        r = time_rounds(g, rounds);
    for (uint32_t i = 0; r == VKD_OK && i < g->count; i++)
        r = tell_slot(b, &g->slots[i], rounds);
    for (uint32_t i = 1; r == VKD_OK && i < g->count; i++)
        tell_ratio(b, &g->slots[i], &g->slots[0], rounds);
    return r;
}

// Those of `known` in group `index`; false past the last.
static bool known_group(const struct bench *b, uint32_t index, struct group *g, vkd_result *r)
{
    bool found = false;
    *r = VKD_OK;
    for (uint32_t i = 0; i < KNOWN_COUNT; i++) {
        uint32_t sets = 0;
        char row[64];
        if (known[i].group != index)
            continue;
        found = true;
        snprintf(row, sizeof row, "step %.50s", known[i].recipe);
        if (!bench_wants(b, row, NULL))
            continue;
        while (sets < KNOWN_SETS && known[i].sets[sets] != NULL)
            sets++;
        if (*r == VKD_OK)
            *r = add_recipe(b, g, known[i].recipe, known[i].noise, known[i].sets, sets);
    }
    return found;
}

static vkd_result named_group(const struct bench *b, struct group *g)
{
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && i < b->recipe_count; i++) {
        const char *sets[BENCH_SETS_MAX];
        uint32_t count = 0;
        for (uint32_t k = 0; k < b->set_count; k++)
            if (b->sets[k].recipe == 0 || b->sets[k].recipe == i + 1)
                sets[count++] = b->sets[k].text;
        r = add_recipe(b, g, b->recipes[i], NULL, sets, count);
    }
    return r;
}

vkd_result bench_models(const struct bench *b)
{
    struct group *g = calloc(1, sizeof *g);
    vkd_result first = g != NULL ? VKD_OK : VKD_NO_MEMORY;
    for (uint32_t i = 0; g != NULL && !app_stop(NULL); i++) {
        vkd_result r;
        if (b->recipe_count == 0) {
            if (!known_group(b, i, g, &r))
                break;
        } else if (i > 0) {
            break;
        } else {
            r = named_group(b, g);
        }
        if (r == VKD_OK && g->count > 0)
            r = run_group(b, g);
        if (r != VKD_OK && r != VKD_INTERRUPTED)
            app_ended("steps could not be timed", r);
        first = first == VKD_OK ? r : first;
        group_finish(g);
    }
    free(g);
    return first;
}
