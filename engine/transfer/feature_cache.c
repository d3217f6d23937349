// feature_cache.c -- features that are made once: one safetensors file, or a piece of memory, per layer of a model and split.
#include "../model_layers.h"
#include "../safetensors.h"
#include "../train/model_features.h"
#include "../../runtime/os.h"

#include <vkdiv/features.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { TEXT_SIZE = 640 };
#define MEMORY_DEFAULT (UINT64_C(256) << 20)

struct entry {
    uint64_t key;
    char text[TEXT_SIZE];
    struct vkd_features f;
    struct entry *next;                 // older
};

struct vkd_feature_cache {
    char *folder;                       // NULL: memory
    struct vkd_log log;
    uint64_t memory;
    struct entry *newest;
    struct vkd_feature_cache_stats stats;
};

vkd_result vkd_feature_cache_create(const struct vkd_feature_cache_params *p, vkd_feature_cache **out)
{
    vkd_feature_cache *c = calloc(1, sizeof(*c));
    if (!c)
        return VKD_NO_MEMORY;
    c->log = p->log;
    c->memory = p->memory ? p->memory : MEMORY_DEFAULT;
    if (p->folder && !(c->folder = strdup(p->folder))) {
        free(c);
        return VKD_NO_MEMORY;
    }
    *out = c;
    return VKD_OK;
}

void vkd_feature_cache_destroy(vkd_feature_cache **pc)
{
    vkd_feature_cache *c = *pc;
    for (struct entry *e = c ? c->newest : NULL, *next; e; e = next) {
        next = e->next;
        vkd_features_finish(&e->f);
        free(e);
    }
    if (c)
        free(c->folder);
    free(c);
    *pc = NULL;
}

struct vkd_feature_cache_stats vkd_feature_cache_stats(const vkd_feature_cache *c)
{
    return c->stats;
}

// ---- Copies -----------------------------------------------------------------------------------

static bool has_targets(const struct vkd__features_identity *id)
{
    return id->multi_label && id->classes;
}

// Room for features of `dim` numbers each, and all that is known of them beforehand.
static vkd_result begin(const struct vkd__features_identity *id, uint32_t dim, struct vkd_features *out)
{
    *out = (struct vkd_features) { .rows = id->rows, .dim = dim, .classes = id->classes, .data_fingerprint = id->data,
                                   .model = id->model, .told = id->told };
    out->values = malloc((uint64_t) id->rows * dim * sizeof(float) + 1);
    out->labels = malloc(id->rows * sizeof(*out->labels) + 1);
    out->indices = malloc(id->rows * sizeof(*out->indices) + 1);
    out->targets = has_targets(id) ? malloc((uint64_t) id->rows * id->classes * sizeof(float) + 1) : NULL;
    if (out->values && out->labels && out->indices && (out->targets || !has_targets(id)))
        return VKD_OK;
    vkd_features_finish(out);
    return VKD_NO_MEMORY;
}

static vkd_result copy(const struct vkd__features_identity *id, const struct vkd_features *from, struct vkd_features *out)
{
    vkd_result r = begin(id, from->dim, out);
    if (r < 0)
        return r;
    memcpy(out->values, from->values, (uint64_t) id->rows * from->dim * sizeof(float));
    memcpy(out->labels, from->labels, id->rows * sizeof(*from->labels));
    memcpy(out->indices, from->indices, id->rows * sizeof(*from->indices));
    if (out->targets)
        memcpy(out->targets, from->targets, (uint64_t) id->rows * id->classes * sizeof(float));
    return VKD_OK;
}

// ---- Memory -----------------------------------------------------------------------------------

static uint64_t size_of(const struct vkd_features *f)
{
    return (uint64_t) f->rows * (f->dim + 2 + (f->targets ? f->classes : 0)) * 4;
}

static void remember(vkd_feature_cache *c, const struct vkd__features_identity *id, uint64_t key, const char *text,
                     const struct vkd_features *f)
{
    uint64_t used = size_of(f);
    struct entry *e = used <= c->memory ? calloc(1, sizeof(*e)) : NULL;
    if (!e || copy(id, f, &e->f) < 0) {         // then it is made again
        free(e);
        return;
    }
    e->key = key;
    snprintf(e->text, sizeof(e->text), "%s", text);
    e->next = c->newest;
    c->newest = e;
    for (struct entry **at = &e->next; *at;) {
        struct entry *old = *at;
        used += size_of(&old->f);
        if (used <= c->memory) {
            at = &old->next;
            continue;
        }
        *at = old->next;
        used -= size_of(&old->f);
        vkd_features_finish(&old->f);
        free(old);
    }
}

static const struct entry *recall(const vkd_feature_cache *c, uint64_t key, const char *text)
{
    for (const struct entry *e = c->newest; e; e = e->next)
        if (e->key == key && !strcmp(e->text, text))
            return e;
    return NULL;
}

// ---- Files ------------------------------------------------------------------------------------

static void content_hash(const struct vkd__st_tensor *tensors, uint32_t count, char text[17])
{
    XXH64_hash_t hash = 0;
    for (uint32_t i = 0; i < count; i++)
        hash = XXH3_64bits_withSeed(tensors[i].data, vkd__st_size(&tensors[i]), hash);
    snprintf(text, 17, "%016llx", (unsigned long long) hash);
}

static void file_path(const vkd_feature_cache *c, uint64_t key, char *path, size_t size)
{
    snprintf(path, size, "%.4000s/%016llx.safetensors", c->folder, (unsigned long long) key);
}

static vkd_result write_file(const vkd_feature_cache *c, uint64_t key, const char *text, const struct vkd_features *f)
{
    char path[4096], content[17];
    struct vkd__why why;
    int64_t *whole = malloc((2ull * f->rows + 1) * sizeof(*whole));
    vkd_result r = whole ? vkd__dir_create(c->folder, &why) : VKD_NO_MEMORY;
    if (r == VKD_OK) {
        for (uint32_t i = 0; i < f->rows; i++) {
            whole[i] = f->labels[i] == VKD_NO_LABEL ? -1 : (int64_t) f->labels[i];
            whole[f->rows + i] = f->indices[i];
        }
        const struct vkd__st_tensor tensors[4] = {
            { .name = "features", .type = VKD__ST_F32, .rank = 2, .shape = { f->rows, f->dim }, .data = f->values },
            { .name = "labels", .type = VKD__ST_I64, .rank = 1, .shape = { f->rows }, .data = whole },
            { .name = "indices", .type = VKD__ST_I64, .rank = 1, .shape = { f->rows }, .data = whole + f->rows },
            { .name = "targets", .type = VKD__ST_F32, .rank = 2, .shape = { f->rows, f->classes }, .data = f->targets },
        };
        const uint32_t count = f->targets ? 4 : 3;
        content_hash(tensors, count, content);
        const struct vkd__st_pair pairs[] = { { "vkdiv_features", text }, { "content", content } };
        file_path(c, key, path, sizeof(path));
        r = vkd__st_write(path, NULL, tensors, count, pairs, 2);
    }
    free(whole);
    return r;
}

// Takes tensors 0 ... of a file over; false when any is not what it should be.
static bool take_over(const vkd__st_file *f, const struct vkd__features_identity *id, struct vkd_features *out)
{
    static const char *const names[] = { "features", "labels", "indices", "targets" };
    const uint32_t count = has_targets(id) ? 4 : 3;
    struct vkd__st_tensor t[4];
    char content[17];
    for (uint32_t i = 0; i < count; i++) {
        const struct vkd__st_tensor *found = vkd__st_find(f, names[i]);
        bool floats = i % 3 == 0;
        if (!found || found->type != (floats ? VKD__ST_F32 : VKD__ST_I64) || found->rank != (floats ? 2 : 1) ||
            found->shape[0] != id->rows || (floats && (!found->shape[1] || found->shape[1] > UINT32_MAX)))
            return false;
        t[i] = *found;
    }
    content_hash(t, count, content);
    const char *expected = vkd__st_metadata(f, "content");
    if (!expected || strcmp(expected, content) || (count > 3 && t[3].shape[1] != id->classes) ||
        begin(id, (uint32_t) t[0].shape[1], out) < 0)
        return false;
    memcpy(out->values, t[0].data, vkd__st_size(&t[0]));
    for (uint32_t i = 0; i < id->rows; i++) {
        int64_t label, index;
        memcpy(&label, (const char *) t[1].data + i * sizeof(label), sizeof(label));
        memcpy(&index, (const char *) t[2].data + i * sizeof(index), sizeof(index));
        out->labels[i] = label < 0 ? VKD_NO_LABEL : (uint32_t) label;
        out->indices[i] = (uint32_t) index;
    }
    if (out->targets)
        memcpy(out->targets, t[3].data, vkd__st_size(&t[3]));
    return true;
}

static bool read_file(vkd_feature_cache *c, const struct vkd__features_identity *id, uint64_t key, const char *text,
                      struct vkd_features *out)
{
    char path[4096];
    vkd__st_file *f = NULL;
    file_path(c, key, path, sizeof(path));
    if (vkd__path_kind(path, NULL, NULL) != VKD__PATH_FILE)
        return false;
    bool good = vkd__st_open(path, NULL, &f) == VKD_OK;
    const char *of = good ? vkd__st_metadata(f, "vkdiv_features") : NULL;
    good = good && of && !strcmp(of, text) && take_over(f, id, out);
    vkd__st_close(&f);
    if (!good) {
        c->stats.damaged++;
        vkd_log_write(&c->log, VKD_LOG_WARNING, "%s is damaged or holds other features than it should: they are made again", path);
    }
    return good;
}

// ---- Either -----------------------------------------------------------------------------------

static uint64_t describe(const struct vkd__features_identity *id, const char *layer, char text[TEXT_SIZE])
{
    snprintf(text, TEXT_SIZE, "weights %016llx data %016llx split %s images %u layer %.95s %s", (unsigned long long) id->weights,
             (unsigned long long) id->data, id->split, id->rows, layer, id->preparation);
    return XXH3_64bits(text, strlen(text));
}

static bool look_up(vkd_feature_cache *c, const struct vkd__features_identity *id, const char *layer, struct vkd_features *out)
{
    char text[TEXT_SIZE];
    const uint64_t key = describe(id, layer, text);
    const struct entry *e = recall(c, key, text);
    bool found = c->folder ? read_file(c, id, key, text, out) : e && copy(id, &e->f, out) == VKD_OK;
    c->stats.found += found;
    return found;
}

static void keep(vkd_feature_cache *c, const struct vkd__features_identity *id, const char *layer, const struct vkd_features *f)
{
    char text[TEXT_SIZE];
    const uint64_t key = describe(id, layer, text);
    if (!c->folder)
        remember(c, id, key, text, f);
    else if (write_file(c, key, text, f) < 0)
        vkd_log_write(&c->log, VKD_LOG_WARNING, "features cannot be kept in %.800s: is it writable, is there space?", c->folder);
}

vkd_result vkd_features_get(vkd_feature_cache *c, vkd_device *dev, const struct vkd_features_params *p,
                            struct vkd_features *out)
{
    struct vkd__features_identity id;
    struct vkd_features all[VKD_LAYERS_MAX] = { { .rows = 0 } }, made[VKD_LAYERS_MAX];
    const char *missing[VKD_LAYERS_MAX];
    uint32_t place[VKD_LAYERS_MAX], lacks = 0;
    const uint32_t layers = p->layer_count ? p->layer_count : 1;
    if (p->views) {
        vkd_log_write(&c->log, VKD_LOG_ERROR, "features: random views are not kept, expected none, found %u", p->views);
        return VKD_INVALID;
    }
    vkd_result r = vkd__features_identify(dev, p, &id);
    if (r < 0)
        return r;
    for (uint32_t l = 0; l < layers; l++) {
        const char *layer = vkd__features_layer(p, l);
        if (look_up(c, &id, layer, &all[l]))
            continue;
        missing[lacks] = layer;
        place[lacks++] = l;
    }
    if (lacks) {
        struct vkd_features_params some = *p;
        some.layers = missing;
        some.layer_count = lacks;
        r = vkd_features_extract(dev, &some, made);
        c->stats.passes += r == VKD_OK;
    }
    for (uint32_t i = 0; r == VKD_OK && i < lacks; i++) {
        all[place[i]] = made[i];
        keep(c, &id, missing[i], &made[i]);
    }
    for (uint32_t l = 0; l < layers; l++) {
        if (r < 0)
            vkd_features_finish(&all[l]);
        else
            out[l] = all[l];
    }
    return r;
}
