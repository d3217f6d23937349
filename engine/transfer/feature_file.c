// feature_file.c -- features of one layer as a safetensors file that is checked to the last number.
#include "feature_file.h"

#include "../safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { FEATURES, LABELS, INDICES, TARGETS, TENSORS };
static const char *const names[TENSORS] = { "features", "labels", "indices", "targets" };

static bool has_targets(const struct vkd__features_identity *id)
{
    return id->multi_label && id->classes;
}

vkd_result vkd__features_room(const struct vkd__features_identity *id, uint32_t dim, struct vkd_features *out)
{
    *out = (struct vkd_features) { .rows = id->rows, .dim = dim, .classes = id->classes, .data_fingerprint =
                                   id->fingerprint, .model = id->model, .told = id->told };
    out->values = malloc((uint64_t) id->rows * dim * sizeof(float) + 1);
    out->labels = malloc(id->rows * sizeof(*out->labels) + 1);
    out->indices = malloc(id->rows * sizeof(*out->indices) + 1);
    out->targets = has_targets(id) ? malloc((uint64_t) id->rows * id->classes * sizeof(float) + 1) : NULL;
    if (out->values && out->labels && out->indices && (out->targets || !has_targets(id)))
        return VKD_OK;
    vkd_features_finish(out);
    return VKD_NO_MEMORY;
}

// The tensors of features; `whole` has room for labels and indices as 64 bits. Returns how many there are.
static uint32_t list_tensors(const struct vkd__feature_file *f, const struct vkd_features *features, const int64_t *whole,
                             struct vkd__st_tensor out[TENSORS])
{
    const uint64_t rows = f->id->rows;
    const bool given = features != NULL;
    out[FEATURES] = (struct vkd__st_tensor) { .type = VKD__ST_F32, .rank = 2, .shape = { rows, f->dim } };
    out[LABELS] = (struct vkd__st_tensor) { .type = VKD__ST_I64, .rank = 1, .shape = { rows } };
    out[INDICES] = out[LABELS];
    out[TARGETS] = (struct vkd__st_tensor) { .type = VKD__ST_F32, .rank = 2, .shape = { rows, f->id->classes } };
    for (uint32_t i = 0; i < TENSORS; i++)
        out[i].name = names[i];
    out[FEATURES].data = given ? features->values : NULL;
    out[LABELS].data = whole;
    out[INDICES].data = given ? whole + rows : NULL;
    out[TARGETS].data = given ? features->targets : NULL;
    return has_targets(f->id) ? TENSORS : TARGETS;
}

static void content_hash(const struct vkd__st_tensor *tensors, uint32_t count, char text[17])
{
    XXH64_hash_t hash = 0;
    for (uint32_t i = 0; i < count; i++)
        hash = XXH3_64bits_withSeed(tensors[i].data, vkd__st_size(&tensors[i]), hash);
    snprintf(text, 17, "%016llx", (unsigned long long) hash);
}

vkd_result vkd__feature_file_write(const struct vkd__feature_file *f, const struct vkd_features *features)
{
    char content[17];
    struct vkd__st_tensor tensors[TENSORS];
    const uint32_t rows = f->id->rows;
    int64_t *whole = malloc((2ull * rows + 1) * sizeof(*whole));
    if (!whole)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < rows; i++) {
        whole[i] = features->labels[i] == VKD_NO_LABEL ? -1 : (int64_t) features->labels[i];
        whole[rows + i] = features->indices[i];
    }
    const uint32_t count = list_tensors(f, features, whole, tensors);
    content_hash(tensors, count, content);
    const struct vkd__st_pair pairs[] = { { "vkdiv_features", f->text }, { "content", content } };
    vkd_result r = vkd__st_write(f->path, NULL, tensors, count, pairs, 2);
    free(whole);
    return r;
}

// ---- Reading ----------------------------------------------------------------------------------

static bool is_like(const struct vkd__st_tensor *found, const struct vkd__st_tensor *expected)
{
    bool alike = found && found->type == expected->type && found->rank == expected->rank;
    for (uint32_t d = 0; alike && d < expected->rank; d++)
        alike = found->shape[d] == expected->shape[d];
    return alike;
}

static bool take_labels(const struct vkd__features_identity *id, const struct vkd__st_tensor *t, struct vkd_features *out)
{
    const int64_t none = -1, classes = has_targets(id) ? 0 : id->classes;
    for (uint32_t i = 0; i < id->rows; i++) {
        int64_t label, index;
        memcpy(&label, (const char *) t[LABELS].data + i * sizeof(label), sizeof(label));
        memcpy(&index, (const char *) t[INDICES].data + i * sizeof(index), sizeof(index));
        if (label < none || label >= classes || index < 0 || index >= id->images)
            return false;
        out->labels[i] = label == none ? VKD_NO_LABEL : (uint32_t) label;
        out->indices[i] = (uint32_t) index;
    }
    return true;
}

static bool take_targets(const struct vkd__features_identity *id, const struct vkd__st_tensor *t, struct vkd_features *out)
{
    if (!out->targets)
        return true;
    memcpy(out->targets, t[TARGETS].data, vkd__st_size(&t[TARGETS]));
    for (uint64_t i = 0; i < (uint64_t) id->rows * id->classes; i++)
        if (out->targets[i] != 0 && out->targets[i] != 1 && out->targets[i] != VKD_TARGET_UNKNOWN)
            return false;
    return true;
}

static bool take_over(const struct vkd__feature_file *f, const vkd__st_file *file, struct vkd_features *out)
{
    struct vkd__st_tensor t[TENSORS];
    struct vkd_features taken;
    char content[17];
    const char *of = vkd__st_metadata(file, "vkdiv_features"), *expected = vkd__st_metadata(file, "content");
    const uint32_t count = list_tensors(f, NULL, NULL, t);
    if (!of || !expected || strcmp(of, f->text) || vkd__st_count(file) != count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct vkd__st_tensor *found = vkd__st_find(file, names[i]);
        if (!is_like(found, &t[i]))
            return false;
        t[i] = *found;
    }
    content_hash(t, count, content);
    if (strcmp(expected, content) || vkd__features_room(f->id, f->dim, &taken) < 0)
        return false;
    memcpy(taken.values, t[FEATURES].data, vkd__st_size(&t[FEATURES]));
    bool good = take_labels(f->id, t, &taken) && take_targets(f->id, t, &taken);
    if (good)
        *out = taken;
    else
        vkd_features_finish(&taken);
    return good;
}

bool vkd__feature_file_read(const struct vkd__feature_file *f, struct vkd_features *out)
{
    vkd__st_file *file = NULL;
    bool good = vkd__st_open(f->path, NULL, &file) == VKD_OK && take_over(f, file, out);
    vkd__st_close(&file);
    return good;
}
