// feature_cache.c -- features that are made once: one safetensors file, or a piece of memory, per layer of a model and split.
#include "feature_file.h"

#include "../../runtime/os.h"

#include <vkdiv/features.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { TEXT_SIZE = 704 };
#define MEMORY_DEFAULT (UINT64_C(256) << 20)

struct entry {
    uint64_t key;
    char text[TEXT_SIZE];
    struct vkd_features f;
    struct entry *next;                 // older
};

// What this cache has learnt since it was made.
struct known_set { char *spec, *split; uint64_t content; struct known_set *next; };     // a split's vkd_dataset_content
struct written { uint64_t key; struct written *next; };

struct vkd_feature_cache {
    char *folder;                       // NULL: memory
    bool fresh;
    struct known_set *sets;
    struct written *written;
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
    c->fresh = p->fresh;
    c->memory = p->memory ? p->memory : MEMORY_DEFAULT;
    if (p->folder && !(c->folder = strdup(p->folder))) {
        free(c);
        return VKD_NO_MEMORY;
    }
    *out = c;
    return VKD_OK;
}

static void free_set(struct known_set *s)
{
    if (s) {
        free(s->spec);
        free(s->split);
    }
    free(s);
}

void vkd_feature_cache_destroy(vkd_feature_cache **pc)
{
    vkd_feature_cache *c = *pc;
    *pc = NULL;
    if (!c)
        return;
    for (struct entry *e = c->newest, *next; e; e = next) {
        next = e->next;
        vkd_features_finish(&e->f);
        free(e);
    }
    for (struct known_set *s = c->sets, *next; s; s = next) {
        next = s->next;
        free_set(s);
    }
    for (struct written *w = c->written, *next; w; w = next) {
        next = w->next;
        free(w);
    }
    free(c->folder);
    free(c);
}

struct vkd_feature_cache_stats vkd_feature_cache_stats(const vkd_feature_cache *c)
{
    return c->stats;
}

// ---- Copies -----------------------------------------------------------------------------------

static vkd_result copy(const struct vkd__features_identity *id, const struct vkd_features *from, struct vkd_features *out)
{
    vkd_result r = vkd__features_room(id, from->dim, out);
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

static void file_path(const vkd_feature_cache *c, uint64_t key, char path[4096])
{
    snprintf(path, 4096, "%.4000s/%016llx.safetensors", c->folder, (unsigned long long) key);
}

static bool has_written(const vkd_feature_cache *c, uint64_t key)
{
    const struct written *w = c->written;
    while (w && w->key != key)
        w = w->next;
    return w != NULL;
}

static vkd_result write_file(vkd_feature_cache *c, const struct vkd__features_identity *id, uint64_t key, const char *text,
                             const struct vkd_features *f)
{
    char path[4096];
    struct vkd__why why;
    struct written *w = calloc(1, sizeof(*w));
    vkd_result r = w ? vkd__dir_create(c->folder, &why) : VKD_NO_MEMORY;
    file_path(c, key, path);
    if (r == VKD_OK)
        r = vkd__feature_file_write(&(struct vkd__feature_file) { path, text, id, f->dim }, f);
    if (r == VKD_OK) {
        *w = (struct written) { key, c->written };
        c->written = w;
    } else {
        free(w);
    }
    return r;
}

static bool read_file(vkd_feature_cache *c, const struct vkd__features_identity *id, uint64_t key, const char *text, uint32_t dim,
                      struct vkd_features *out)
{
    char path[4096];
    file_path(c, key, path);
    if ((c->fresh && !has_written(c, key)) || vkd__path_kind(path, NULL, NULL) != VKD__PATH_FILE)
        return false;
    bool good = vkd__feature_file_read(&(struct vkd__feature_file) { path, text, id, dim }, out);
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

static bool look_up(vkd_feature_cache *c, const struct vkd__features_identity *id, const char *layer, uint32_t dim,
                    struct vkd_features *out)
{
    char text[TEXT_SIZE];
    const uint64_t key = describe(id, layer, text);
    const struct entry *e = recall(c, key, text);
    bool found = c->folder ? read_file(c, id, key, text, dim, out) : e && copy(id, &e->f, out) == VKD_OK;
    c->stats.found += found;
    return found;
}

static void keep(vkd_feature_cache *c, const struct vkd__features_identity *id, const char *layer, const struct vkd_features *f)
{
    char text[TEXT_SIZE];
    const uint64_t key = describe(id, layer, text);
    if (!c->folder)
        remember(c, id, key, text, f);
    else if (write_file(c, id, key, text, f) < 0)
        vkd_log_write(&c->log, VKD_LOG_WARNING, "features cannot be kept in %.800s: is it writable, is there space?", c->folder);
}

static struct known_set *find_set(const vkd_feature_cache *c, const char *spec, const char *split)
{
    struct known_set *s = c->sets;
    while (s && (strcmp(s->spec, spec) || strcmp(s->split, split)))
        s = s->next;
    return s;
}

// vkd__features_identify, which reads a set's files once.
static vkd_result identify(vkd_feature_cache *c, vkd_device *dev, const struct vkd_features_params *p,
                           struct vkd__features_identity *id)
{
    const char *split = p->split ? p->split : "";
    const struct known_set *known = p->data ? find_set(c, p->data, split) : NULL;
    vkd_result r = vkd__features_identify(dev, p, known ? &known->content : NULL, id);
    struct known_set *s = r == VKD_OK && !known ? calloc(1, sizeof(*s)) : NULL;
    if (!s)
        return r;
    *s = (struct known_set) { strdup(p->data), strdup(split), id->data, c->sets };
    if (s->spec && s->split)
        c->sets = s;
    else                                // then they are read once more
        free_set(s);
    return VKD_OK;
}

// Extracts what is missing into its places, and keeps it.
static vkd_result make(vkd_feature_cache *c, vkd_device *dev, const struct vkd_features_params *p,
                       const struct vkd__features_identity *id, const uint32_t *places, uint32_t count, struct vkd_features *all)
{
    struct vkd_features made[VKD_LAYERS_MAX];
    const char *layers[VKD_LAYERS_MAX];
    struct vkd_features_params some = *p;
    for (uint32_t i = 0; i < count; i++)
        layers[i] = vkd__features_layer(p, places[i]);
    some.layers = layers;
    some.layer_count = count;
    vkd_result r = vkd_features_extract(dev, &some, made);
    if (r < 0)
        return r;
    c->stats.passes++;
    for (uint32_t i = 0; i < count; i++) {
        all[places[i]] = made[i];
        if (!made[i].unreadable)
            keep(c, id, layers[i], &made[i]);
    }
    if (made[0].unreadable)
        vkd_log_write(&c->log, VKD_LOG_WARNING, "%.300s: %u images of %s cannot be read: they do not count, and features of the "
                      "others are not kept, so that all is made again when they are repaired", p->data, made[0].unreadable,
                      id->split);
    return VKD_OK;
}

vkd_result vkd_features_get(vkd_feature_cache *c, vkd_device *dev, const struct vkd_features_params *p,
                            struct vkd_features *out)
{
    struct vkd__features_identity id;
    struct vkd_features all[VKD_LAYERS_MAX] = { { .rows = 0 } };
    uint32_t missing[VKD_LAYERS_MAX], lacks = 0;
    const uint32_t layers = p->layer_count ? p->layer_count : 1;
    if (p->views) {
        vkd_log_write(&c->log, VKD_LOG_ERROR, "features: random views are not kept, expected none, found %u", p->views);
        return VKD_INVALID;
    }
    vkd_result r = identify(c, dev, p, &id);
    if (r < 0)
        return r;
    for (uint32_t l = 0; l < layers; l++)
        if (!look_up(c, &id, vkd__features_layer(p, l), id.dims[l], &all[l]))
            missing[lacks++] = l;
    if (lacks)
        r = make(c, dev, p, &id, missing, lacks, all);
    for (uint32_t l = 0; l < layers; l++) {
        if (r < 0)
            vkd_features_finish(&all[l]);
        else
            out[l] = all[l];
    }
    return r;
}
