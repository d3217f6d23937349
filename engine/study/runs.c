// runs.c -- finds run folders and reads what a study needs of them.
#include "study.h"

#include "../diversity_json.h"
#include "../json.h"
#include "../run_folder.h"
#include "../../runtime/os.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { DEPTH_MAX = 6, PATH_MAX_BYTES = 4096 };

// ---- Memory ----

struct block {
    struct block *next;
    max_align_t data[];
};

void *vkd__study_alloc(void **memory, size_t size)
{
    struct block *b = calloc(1, sizeof(*b) + size + 1);
    if (!b)
        return NULL;
    b->next = *memory;
    *memory = b;
    return b->data;
}

char *vkd__study_text(void **memory, const char *text)
{
    char *copy = vkd__study_alloc(memory, strlen(text) + 1);
    if (copy)
        memcpy(copy, text, strlen(text) + 1);
    return copy;
}

void vkd__study_free(void **memory)
{
    for (struct block *b = *memory, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *memory = NULL;
}

static const char *text_at(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static double number_at(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

// ---- Results of transfers ----

// VKD_OK without *out: not one that counts.
static vkd_result take_found(struct vkd__gather *g, const struct vkd__study_run *run, const json_t *doc,
                             struct vkd__study_found **out)
{
    void **memory = &g->s->memory;
    const json_t *data = json_object_get(doc, "data"), *protocol = json_object_get(doc, "protocol");
    const char *spec = text_at(data, "spec"), *name = text_at(protocol, "name"), *text = text_at(protocol, "text");
    const char *metric = text_at(doc, "metric");
    const char *fingerprint = text_at(data, "fingerprint");
    double value = number_at(doc, "value"), log_odds = number_at(doc, "log_odds"), test = number_at(data, "test");
    *out = NULL;
    if (!spec || !name || !text || isnan(value) || json_is_object(json_object_get(doc, "select")))
        return VKD_OK;
    if (!vkd__is_of_weights(doc, run->hash)) {
        g->stale++;
        return VKD_OK;
    }
    struct vkd__study_found *f = vkd__study_alloc(memory, sizeof(*f));
    if (!f)
        return VKD_NO_MEMORY;
    f->spec = vkd__study_text(memory, spec);
    f->protocol = vkd__study_text(memory, name);
    f->text = vkd__study_text(memory, text);
    f->fingerprint = vkd__study_text(memory, fingerprint ? fingerprint : "");
    f->result = (struct vkd_study_result) {
        .found = true, .value = value, .low = number_at(doc, "low"), .high = number_at(doc, "high"),
        .log_odds = isnan(log_odds) && test >= 1 ? vkd_log_odds(value, (uint64_t) test) : log_odds,
    };
    snprintf(f->result.metric, sizeof(f->result.metric), "%s", metric ? metric : "");
    *out = f;
    return f->spec && f->protocol && f->text && f->fingerprint ? VKD_OK : VKD_NO_MEMORY;
}

static vkd_result read_found(struct vkd__gather *g, struct vkd__study_run *run)
{
    char folder[PATH_MAX_BYTES + 16], path[PATH_MAX_BYTES + 300];
    struct vkd__study_found **last = &run->found;
    struct vkd__why why;
    char **names;
    uint32_t count;
    vkd_result r = VKD_OK;
    *last = NULL;
    snprintf(folder, sizeof(folder), "%.4000s/transfer", run->model->run);
    if (vkd__path_kind(folder, NULL, NULL) != VKD__PATH_DIR)
        return VKD_OK;
    r = vkd__dir_list(folder, &names, &count, &why);
    if (r < 0) {
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "%s", why.text);
        return r;
    }
    for (uint32_t i = 0; r == VKD_OK && i < count; i++) {
        if (!vkd__json_named(names[i]))
            continue;
        snprintf(path, sizeof(path), "%.4010s/%.255s", folder, names[i]);
        json_t *doc = vkd__json_load(path, &why);
        if (doc)
            r = take_found(g, run, doc, last);
        else
            vkd_log_write(&g->p->log, VKD_LOG_WARNING, "study: %s; left out", why.text);
        if (*last)
            last = &(*last)->next;
        json_decref(doc);
    }
    free(names);
    return r;
}

// ---- Runs ----

// A SPEC without its option split=: a transfer has all splits.
static char *without_split(void **memory, const char *spec)
{
    char *out = vkd__study_text(memory, spec), *at = out ? strchr(out, '?') : NULL;
    while (at && *at) {
        const size_t length = strcspn(at + 1, "&");
        if (strncmp(at + 1, "split=", 6)) {
            at += 1 + length;
            continue;
        }
        const bool last = !at[1 + length];
        if (last)
            *at = 0;
        else
            memmove(at + 1, at + 2 + length, strlen(at + 2 + length) + 1);
    }
    return out;
}

static char *describe_method(void **memory, const json_t *recipe)
{
    const char *method = text_at(recipe, "method"), *mode = text_at(json_object_get(recipe, "injection"), "mode");
    char text[160];
    const bool plain = !mode || !strcmp(mode, "ssl") || !strcmp(mode, "supervised");
    snprintf(text, sizeof(text), "%.60s%s%.60s", method ? method : "supervised", plain ? "" : " + ", plain ? "" : mode);
    return vkd__study_text(memory, text);
}

static vkd_result read_weights(struct vkd__gather *g, struct vkd__study_run *run)
{
    char path[PATH_MAX_BYTES], hash[17];
    vkd_result r = vkd__run_weights(run->model->run, &g->p->log, path, hash);
    if (r < 0)
        return r;
    run->weights = vkd__study_text(&g->s->memory, hash[0] ? path : "");
    run->hash = vkd__study_text(&g->s->memory, hash);
    return run->weights && run->hash ? VKD_OK : VKD_NO_MEMORY;
}

static vkd_result fill_run(struct vkd__gather *g, struct vkd__study_run *run, const json_t *doc)
{
    void **memory = &g->s->memory;
    const json_t *recipe = json_object_get(doc, "recipe"), *results = json_object_get(doc, "results");
    const char *train = text_at(json_object_get(recipe, "data"), "train");
    const char *arch = text_at(json_object_get(recipe, "model"), "arch");
    const double count = number_at(json_object_get(json_object_get(doc, "data"), "test"), "count");
    struct vkd_study_model *m = run->model;
    vkd_result r = vkd__run_recipe(doc, &g->p->log, &m->recipe);
    m->seed = (uint64_t) json_integer_value(json_object_get(recipe, "seed"));
    m->arch = vkd__study_text(memory, arch ? arch : "?");
    m->method = describe_method(memory, recipe);
    run->train = without_split(memory, train ? train : "");
    // Of the state that all else is of: the last evaluation is that of the last weights.
    run->accuracy = number_at(results, vkd__run_is_validated(m->run) ? "best_accuracy" : "test_accuracy");
    run->accuracy_count = count >= 1 ? (uint64_t) count : 0;
    if (r == VKD_OK && !(m->arch && m->method && run->train))
        r = VKD_NO_MEMORY;
    if (r == VKD_OK)
        r = read_weights(g, run);
    if (r == VKD_OK)
        r = read_found(g, run);
    if (r == VKD_OK)
        run->diversity = vkd__diversity_load(m->run, run->hash, &g->p->log);
    return r;
}

// Room for one run more.
static vkd_result grow(struct vkd__gather *g)
{
    if (g->run_count < g->room)
        return VKD_OK;
    const uint32_t room = g->room ? 2 * g->room : 16;
    struct vkd__study_run *runs = realloc(g->runs, room * sizeof(*runs));
    if (!runs)
        return VKD_NO_MEMORY;
    g->runs = runs;
    g->room = room;
    return VKD_OK;
}

static vkd_result add_run(struct vkd__gather *g, const char *dir, const char *label)
{
    char path[PATH_MAX_BYTES + 16];
    struct vkd__why why;
    for (uint32_t i = 0; i < g->run_count; i++)
        if (!strcmp(g->runs[i].model->run, dir))
            return VKD_OK;
    snprintf(path, sizeof(path), "%.4000s/run.json", dir);
    json_t *doc = vkd__json_load(path, &why);
    const json_t *results = json_object_get(doc, "results");
    const bool is_run = json_is_object(json_object_get(doc, "recipe"));
    if (text_at(doc, "part_of")) {          // a step of something else, as of a fine-tuning
        json_decref(doc);
        return VKD_OK;
    }
    if (!is_run || !json_is_true(json_object_get(results, "complete"))) {
        vkd_log_write(&g->p->log, VKD_LOG_WARNING, "study: %.600s is left out: %s", dir, why.text[0] ? why.text :
                      is_run ? "it is not finished" : "its run.json has no recipe");
        json_decref(doc);
        return VKD_OK;
    }
    vkd_result r = grow(g);
    if (r == VKD_OK) {
        struct vkd__study_run *run = &g->runs[g->run_count];
        *run = (struct vkd__study_run) { .model = vkd__study_alloc(&g->s->memory, sizeof(*run->model)) };
        if (run->model) {
            run->model->run = vkd__study_text(&g->s->memory, dir);
            run->model->label = vkd__study_text(&g->s->memory, label);
            g->run_count++;
            r = run->model->run && run->model->label ? fill_run(g, run, doc) : VKD_NO_MEMORY;
        } else {
            r = VKD_NO_MEMORY;
        }
    }
    json_decref(doc);
    return r;
}

static vkd_result search(struct vkd__gather *g, const char *dir, const char *label, uint32_t depth)
{
    char path[PATH_MAX_BYTES];
    struct vkd__why why;
    char **names;
    uint32_t count;
    snprintf(path, sizeof(path), "%.4000s/run.json", dir);
    if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE)
        return add_run(g, dir, label[0] ? label : dir);
    vkd_result r = vkd__dir_list(dir, &names, &count, &why);
    if (r < 0) {
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "%s", why.text);
        return r;
    }
    for (uint32_t i = 0; r == VKD_OK && i < count && depth < DEPTH_MAX; i++) {
        char inner[PATH_MAX_BYTES];
        if (names[i][0] == '.' || strlen(dir) + strlen(names[i]) + 2 > sizeof(path))
            continue;
        snprintf(path, sizeof(path), "%.3800s/%.255s", dir, names[i]);
        snprintf(inner, sizeof(inner), "%.3800s%s%.255s", label, label[0] ? "/" : "", names[i]);
        if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_DIR)
            r = search(g, path, inner, depth + 1);
    }
    free(names);
    return r;
}

vkd_result vkd__study_read_runs(struct vkd__gather *g)
{
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && i < g->p->dir_count; i++) {
        char dir[PATH_MAX_BYTES];
        snprintf(dir, sizeof(dir), "%.3800s", g->p->dirs[i]);
        for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
            dir[n - 1] = 0;
        r = search(g, dir, "", 0);
    }
    if (r == VKD_OK && g->stale)
        vkd_log_write(&g->p->log, VKD_LOG_INFO, "study: %u results of earlier weights or earlier versions of vkdiv do not "
                      "count", g->stale);
    if (r < 0 || g->run_count)
        return r;
    vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: expected finished runs (folders with a run.json) in %.600s%s; "
                  "found none", g->p->dir_count ? g->p->dirs[0] : "no folder",
                  g->p->dir_count > 1 ? " and the others" : "");
    return VKD_INVALID;
}
