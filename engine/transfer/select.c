// select.c -- which checkpoint and layer to transfer, by what train and val say. Nothing here sees test.
#include "transfer_impl.h"

#include "../run_folder.h"
#include "../../runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAGES = 4, RANKME_ROWS = 10000 };

// ---- The checkpoints there are ----------------------------------------------------------------

struct checkpoint {
    char name[VKD_TRANSFER_NAME];           // relative to the run
    uint64_t hash, steps;
    json_t *identity;
};

struct vkd__checkpoints {
    struct checkpoint *list;
    uint32_t count, room;
};

bool vkd__is_of_one_checkpoint(vkd_result r)
{
    return r == VKD_INVALID || r == VKD_FORMAT || r == VKD_IO || r == VKD_DIVERGED;
}

static void path_of(const struct vkd__transfer *t, const char *name, char path[4096])
{
    snprintf(path, 4096, "%.3900s/%.95s", t->p.model, name);
}

static struct checkpoint *grow(struct vkd__checkpoints *c)
{
    if (c->count == c->room) {
        const uint32_t room = c->room ? 2 * c->room : 16;
        struct checkpoint *list = realloc(c->list, room * sizeof(*list));
        if (!list)
            return NULL;
        c->list = list;
        c->room = room;
    }
    return &c->list[c->count];
}

// Adds a file that is there and whose weights no other has.
static vkd_result add(const struct vkd__transfer *t, struct vkd__checkpoints *c, const char *name)
{
    char path[4096];
    struct vkd__weights_identity w;
    path_of(t, name, path);
    if (vkd__path_kind(path, NULL, NULL) != VKD__PATH_FILE)
        return VKD_OK;
    vkd_result r = vkd__weights_identity(path, t->p.partial, &t->log, &w);
    if (vkd__is_of_one_checkpoint(r)) {
        vkd_log_write(&t->log, VKD_LOG_WARNING, "%.1000s cannot be read: it is not chosen from", path);
        return VKD_OK;
    }
    if (r < 0)
        return r;
    bool known = false;
    for (uint32_t i = 0; i < c->count; i++)
        known |= c->list[i].hash == w.hash;
    struct checkpoint *k = known ? NULL : grow(c);
    if (!k) {
        json_decref(w.json);
        return known ? VKD_OK : VKD_NO_MEMORY;
    }
    *k = (struct checkpoint) { .hash = w.hash, .steps = w.info.steps, .identity = w.json };
    snprintf(k->name, sizeof(k->name), "%s", name);
    c->count++;
    return VKD_OK;
}

static bool is_weights(const char *name)
{
    static const char end[] = ".safetensors";
    size_t n = strlen(name);
    return n > strlen(end) && !strcmp(name + n - strlen(end), end);
}

// Adds what RUN/checkpoints/ has.
static vkd_result add_kept(const struct vkd__transfer *t, struct vkd__checkpoints *c)
{
    char folder[4096], **names, name[VKD_TRANSFER_NAME];
    uint32_t count;
    struct vkd__why why;
    path_of(t, "checkpoints", folder);
    if (vkd__path_kind(folder, NULL, NULL) != VKD__PATH_DIR)
        return VKD_OK;
    vkd_result r = vkd__dir_list(folder, &names, &count, &why);
    if (r < 0) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "%s", why.text);
        return r;
    }
    for (uint32_t i = 0; r == VKD_OK && i < count; i++) {
        if (!is_weights(names[i]))
            continue;
        if ((size_t) snprintf(name, sizeof(name), "checkpoints/%s", names[i]) < sizeof(name))
            r = add(t, c, name);
        else
            vkd_log_write(&t->log, VKD_LOG_WARNING, "%.300s/%.300s has too long a name: it is not chosen from", folder, names[i]);
    }
    free(names);
    return r;
}

vkd_result vkd__checkpoints_list(const struct vkd__transfer *t, struct vkd__checkpoints **out)
{
    struct vkd__checkpoints *c = calloc(1, sizeof(*c));
    if (!c)
        return VKD_NO_MEMORY;
    vkd_result r = add(t, c, "last.safetensors");       // the first: of equal scores it stays
    if (r == VKD_OK && vkd__run_is_validated(t->p.model))
        r = add(t, c, "best.safetensors");
    if (r == VKD_OK)
        r = add_kept(t, c);
    if (r == VKD_OK && !c->count) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "%.300s: a choice needs a run's folder with checkpoints in it, found no "
                      "last.safetensors", t->p.model);
        r = VKD_INVALID;
    }
    if (r < 0)
        vkd__checkpoints_free(c);
    else
        *out = c;
    return r;
}

void vkd__checkpoints_free(struct vkd__checkpoints *c)
{
    for (uint32_t i = 0; c && i < c->count; i++)
        json_decref(c->list[i].identity);
    if (c)
        free(c->list);
    free(c);
}

json_t *vkd__checkpoints_identity(const struct vkd__checkpoints *c)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < c->count; i++)
        json_object_set(all, c->list[i].name, c->list[i].identity);
    return all;
}

// ---- The choice -------------------------------------------------------------------------------

// The layers to choose from: "features", which are the last stage's, and the ends of the stages before it.
static vkd_result list_layers(const struct vkd__transfer *t, char names[VKD_STAGES_MAX][VKD_LAYER_NAME],
                              const char *layers[STAGES], uint32_t *count)
{
    uint32_t stages = 0;
    char path[4096];
    *count = 1;
    layers[0] = t->p.layer ? t->p.layer : "features";
    if (t->p.layer || t->protocol->no_features)
        return VKD_OK;
    path_of(t, t->checkpoints->list[0].name, path);
    vkd_result r = vkd_model_layers(path, t->p.partial, &t->log, names, &stages);
    for (uint32_t i = 1; r == VKD_OK && i < STAGES && i < stages; i++)
        layers[(*count)++] = names[stages - 1 - i];
    return r;
}

static vkd_result measure_rankme(const struct vkd__transfer *t, const struct vkd__table *train, double *out)
{
    struct vkd_matrix m = vkd__table_matrix(train);
    uint32_t every = (m.rows + RANKME_ROWS - 1) / RANKME_ROWS;
    if (every > 1 && (uint64_t) m.cols * every <= UINT32_MAX) {
        m.stride = m.cols * every;
        m.rows = (m.rows + every - 1) / every;
    }
    return vkd_rankme(&m, &t->log, out);
}

// What is tried so far.
struct trial {
    const struct vkd__transfer *t;
    const char *layers[STAGES];
    uint32_t layer_count;
    struct vkd_transfer_selection s;
    struct vkd__choice *settings;           // of each candidate
    vkd_result failure;                     // of the latest that failed
    double untrained[STAGES];               // RankMe at each layer, once it is needed; 0: not yet
};

// Scores a checkpoint at one layer.
static vkd_result try_layer(struct trial *y, const struct checkpoint *k, uint32_t at, const struct vkd__table *train,
                            const struct vkd__table *val)
{
    const char *layer = y->layers[at];
    const struct vkd__transfer *t = y->t;
    struct vkd_transfer_candidate *c = &y->s.candidates[y->s.candidate_count];
    struct vkd__choice *settings = &y->settings[y->s.candidate_count];
    struct vkd__transfer_outcome o;
    *c = (struct vkd_transfer_candidate) { .steps = k->steps, .rankme = NAN, .untrained = NAN };
    snprintf(c->checkpoint, sizeof(c->checkpoint), "%s", k->name);
    snprintf(c->layer, sizeof(c->layer), "%s", layer);
    path_of(t, k->name, settings->weights);
    vkd_result r = vkd__table_check(t, settings->weights, layer, train);
    if (r == VKD_OK)
        r = vkd__table_check(t, settings->weights, layer, val);
    if (r == VKD_OK)
        r = measure_rankme(t, train, &c->rankme);
    if (r == VKD_OK && t->p.stop && t->p.stop(t->p.user))
        r = VKD_INTERRUPTED;
    if (r == VKD_OK)
        r = t->protocol->run(&(struct vkd__transfer_job) {
            .t = t, .weights = settings->weights, .layer = layer, .train = train, .val = val, .choose = true }, &o);
    if (r < 0)
        return r;
    c->val = o.val;
    c->penalty = o.k ? o.k : o.penalty;
    c->score = vkd_log_odds(o.val, t->sets.val_count);
    if (t->p.lambda != 0) {
        c->untrained = y->untrained[at];
        c->score += t->p.lambda * log(fmax(c->rankme, 1) / fmax(c->untrained, 1));
    }
    settings->k = o.k;
    settings->temperature = o.temperature;
    vkd__transfer_outcome_finish(&o);
    y->s.candidate_count++;
    return VKD_OK;
}

// Scores one checkpoint at all layers. One that fails is no candidate.
static vkd_result try_checkpoint(struct trial *y, const struct checkpoint *k)
{
    struct vkd__table train[STAGES], val[STAGES];
    char path[4096];
    path_of(y->t, k->name, path);
    vkd_result r = vkd__train_tables(y->t, path, y->layers, y->layer_count, train, val), failed = r;
    if (r < 0)
        goto said;
    bool ready = y->t->p.lambda == 0 || y->untrained[0] > 0;
    if (!ready) {
        failed = r = vkd__untrained_rankme(y->t, path, y->layers, y->layer_count, y->untrained);
        ready = r == VKD_OK;
    }
    for (uint32_t l = 0; l < y->layer_count; l++) {
        if (r == VKD_OK && ready)
            r = try_layer(y, k, l, &train[l], &val[l]);
        if (vkd__is_of_one_checkpoint(r)) {
            failed = r;
            r = VKD_OK;
        }
        vkd__table_finish(&train[l]);
        vkd__table_finish(&val[l]);
    }
said:
    if (failed == VKD_OK || (r < 0 && !vkd__is_of_one_checkpoint(r)))
        return r;
    vkd_log_write(&y->t->log, VKD_LOG_WARNING, "%.1000s is not chosen from, at some layer or all: it failed, as said above", path);
    y->failure = failed;
    return VKD_OK;
}

// The best score; false: there is none.
static bool choose(struct vkd_transfer_selection *s)
{
    bool found = false;
    for (uint32_t i = 0; i < s->candidate_count; i++) {
        const double score = s->candidates[i].score;
        if (isnan(score) || (found && !(score > s->candidates[s->chosen].score)))
            continue;
        s->chosen = i;
        found = true;
    }
    return found;
}

static vkd_result conclude(struct trial *y)
{
    if (choose(&y->s))
        return VKD_OK;
    vkd_log_write(&y->t->log, VKD_LOG_ERROR, "%.300s: nothing can be chosen: of %u checkpoints %u candidates could be tried, and "
                  "none has a score on val of %.300s", y->t->p.model, y->t->checkpoints->count, y->s.candidate_count, y->t->p.data);
    return y->failure < 0 ? y->failure : VKD_INVALID;
}

vkd_result vkd__transfer_select(const struct vkd__transfer *t, struct vkd_transfer_selection *out, struct vkd__choice *choice)
{
    char names[VKD_STAGES_MAX][VKD_LAYER_NAME];
    const struct vkd__checkpoints *c = t->checkpoints;
    struct trial y = { .t = t, .s = { .lambda = t->p.lambda, .last = NAN, .gain = NAN, .p = NAN } };
    vkd_result r = list_layers(t, names, y.layers, &y.layer_count);
    if (r < 0)
        return r;
    y.s.candidates = calloc((size_t) c->count * y.layer_count + 1, sizeof(*y.s.candidates));
    y.settings = calloc((size_t) c->count * y.layer_count + 1, sizeof(*y.settings));
    r = y.s.candidates && y.settings ? VKD_OK : VKD_NO_MEMORY;
    for (uint32_t i = 0; r == VKD_OK && i < c->count; i++) {
        vkd__transfer_tell(t, "checkpoints", i, c->count);
        r = try_checkpoint(&y, &c->list[i]);
    }
    if (r == VKD_OK)
        r = conclude(&y);
    if (r == VKD_OK) {
        *choice = y.settings[y.s.chosen];
        *out = y.s;
    } else {
        free(y.s.candidates);
    }
    free(y.settings);
    return r;
}
