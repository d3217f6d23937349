// select.c -- which checkpoint and layer to transfer, by what train and val say. Nothing here sees test.
#include "transfer_impl.h"

#include "../run_folder.h"
#include "../../runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { CHECKPOINTS_MAX = 1024, STAGES = 4, RANKME_ROWS = 10000 };

struct checkpoint {
    char name[VKD_TRANSFER_NAME];           // relative to the run
    uint64_t hash, steps;
};

struct checkpoints {
    struct checkpoint *list;
    uint32_t count;
};

static void path_of(const struct vkd__transfer *t, const char *name, char path[4096])
{
    snprintf(path, 4096, "%.3900s/%.95s", t->p.model, name);
}

// Adds a file that is there and whose weights no other has.
static vkd_result add(const struct vkd__transfer *t, struct checkpoints *c, const char *name)
{
    char path[4096];
    struct vkd_weights_info info = { .steps = 0 };
    path_of(t, name, path);
    if (vkd__path_kind(path, NULL, NULL) != VKD__PATH_FILE || c->count == CHECKPOINTS_MAX)
        return VKD_OK;
    struct checkpoint *k = &c->list[c->count];
    vkd_result r = vkd_weights_hash(path, &t->log, &k->hash);
    if (r == VKD_OK)
        r = vkd_weights_info(path, &t->log, &info);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < c->count; i++)
        if (c->list[i].hash == k->hash)
            return VKD_OK;
    snprintf(k->name, sizeof(k->name), "%s", name);
    k->steps = info.steps;
    c->count++;
    return VKD_OK;
}

static bool is_weights(const char *name)
{
    static const char end[] = ".safetensors";
    size_t n = strlen(name);
    return n > strlen(end) && n < VKD_TRANSFER_NAME - 16 && !strcmp(name + n - strlen(end), end);
}

// The last first: of equal scores it stays.
static vkd_result list_checkpoints(const struct vkd__transfer *t, struct checkpoints *out)
{
    char folder[4096], **names = NULL;
    uint32_t count = 0;
    struct vkd__why why;
    struct checkpoints c = { .list = calloc(CHECKPOINTS_MAX, sizeof(*c.list)) };
    if (!c.list)
        return VKD_NO_MEMORY;
    vkd_result r = add(t, &c, "last.safetensors");
    if (r == VKD_OK && vkd__run_is_validated(t->p.model))
        r = add(t, &c, "best.safetensors");
    path_of(t, "checkpoints", folder);
    if (r == VKD_OK && vkd__path_kind(folder, NULL, NULL) == VKD__PATH_DIR) {
        r = vkd__dir_list(folder, &names, &count, &why);
        if (r < 0)
            vkd_log_write(&t->log, VKD_LOG_ERROR, "%s", why.text);
    }
    for (uint32_t i = 0; r == VKD_OK && i < count; i++) {
        char name[VKD_TRANSFER_NAME];
        snprintf(name, sizeof(name), "checkpoints/%.80s", names[i]);
        if (is_weights(names[i]))
            r = add(t, &c, name);
    }
    free(names);
    if (r == VKD_OK && !c.count) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "%.300s: a choice needs a run's folder with checkpoints in it, found no "
                      "last.safetensors", t->p.model);
        r = VKD_INVALID;
    }
    if (r < 0)
        free(c.list);
    else
        *out = c;
    return r;
}

vkd_result vkd__transfer_select_hash(const struct vkd__transfer *t, uint64_t *out)
{
    struct checkpoints c;
    vkd_result r = list_checkpoints(t, &c);
    if (r < 0)
        return r;
    XXH64_hash_t hash = 0;
    for (uint32_t i = 0; i < c.count; i++) {
        char text[160];
        hash = XXH3_64bits_withSeed(text, (size_t) snprintf(text, sizeof(text), "%s %016llx", c.list[i].name,
                                                            (unsigned long long) c.list[i].hash), hash);
    }
    *out = hash;
    free(c.list);
    return VKD_OK;
}

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
    path_of(t, "last.safetensors", path);
    vkd_result r = vkd_model_layers(vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE ? path : t->weights, &t->log,
                                    names, &stages);
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

// Scores one checkpoint at all layers.
static vkd_result try_checkpoint(const struct vkd__transfer *t, const struct checkpoint *k, const char *const *layers,
                                 uint32_t layer_count, struct vkd_transfer_candidate *out, struct vkd__choice *settings)
{
    struct vkd__table train[STAGES], val[STAGES];
    char path[4096];
    path_of(t, k->name, path);
    vkd_result r = vkd__train_tables(t, path, layers, layer_count, train, val);
    if (r < 0)
        return r;
    for (uint32_t l = 0; l < layer_count; l++) {
        struct vkd__transfer_outcome o;
        struct vkd_transfer_candidate *c = &out[l];
        *c = (struct vkd_transfer_candidate) { .steps = k->steps, .rankme = NAN };
        snprintf(c->checkpoint, sizeof(c->checkpoint), "%s", k->name);
        snprintf(c->layer, sizeof(c->layer), "%s", layers[l]);
        if (r == VKD_OK)
            r = measure_rankme(t, &train[l], &c->rankme);
        if (r == VKD_OK && t->p.stop && t->p.stop(t->p.user))
            r = VKD_INTERRUPTED;
        if (r == VKD_OK)
            r = t->protocol->run(&(struct vkd__transfer_job) {
                .t = t, .weights = path, .layer = layers[l], .train = &train[l], .val = &val[l], .choose = true }, &o);
        if (r == VKD_OK) {
            c->val = o.val;
            c->penalty = o.k ? o.k : o.penalty;
            c->score = vkd_log_odds(o.val, t->sets.val_count) + (t->p.lambda != 0 ? t->p.lambda * log(fmax(c->rankme, 1)) : 0);
            settings[l].k = o.k;
            settings[l].temperature = o.temperature;
            vkd__transfer_outcome_finish(&o);
        }
        vkd__table_finish(&train[l]);
        vkd__table_finish(&val[l]);
    }
    return r;
}

vkd_result vkd__transfer_select(const struct vkd__transfer *t, struct vkd_transfer_selection *out, struct vkd__choice *choice)
{
    struct checkpoints c;
    char names[VKD_STAGES_MAX][VKD_LAYER_NAME];
    const char *layers[STAGES];
    uint32_t layer_count;
    struct vkd_transfer_selection s = { .lambda = t->p.lambda, .last = NAN, .gain = NAN, .p = NAN };
    struct vkd__choice *settings = NULL;
    vkd_result r = list_checkpoints(t, &c);
    if (r < 0)
        return r;
    r = list_layers(t, names, layers, &layer_count);
    if (r == VKD_OK) {
        s.candidates = calloc((size_t) c.count * layer_count + 1, sizeof(*s.candidates));
        settings = calloc((size_t) c.count * layer_count + 1, sizeof(*settings));
        r = s.candidates && settings ? VKD_OK : VKD_NO_MEMORY;
    }
    for (uint32_t i = 0; r == VKD_OK && i < c.count; i++) {
        vkd__transfer_tell(t, "checkpoints", i, c.count);
        r = try_checkpoint(t, &c.list[i], layers, layer_count, s.candidates + s.candidate_count, settings + s.candidate_count);
        s.candidate_count += layer_count;
    }
    for (uint32_t i = 1; r == VKD_OK && i < s.candidate_count; i++)
        if (s.candidates[i].score > s.candidates[s.chosen].score || isnan(s.candidates[s.chosen].score))
            s.chosen = i;
    if (r == VKD_OK) {
        *choice = settings[s.chosen];
        path_of(t, s.candidates[s.chosen].checkpoint, choice->weights);
        *out = s;
    } else {
        free(s.candidates);
    }
    free(settings);
    free(c.list);
    return r;
}
