// features_save.c -- features as a file for other programs.
#include "safetensors.h"
#include "train/model_features.h"

#include <vkdiv/features.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

// The names of all images one after the other, each with a 0 at its end; malloc'd, NULL without memory.
static char *join_names(const vkd_dataset *d, const struct vkd_features *f, uint64_t *size)
{
    uint64_t capacity = 4096, used = 0;
    char *all = malloc(capacity), name[4096];
    for (uint32_t i = 0; all && i < f->rows; i++) {
        vkd_dataset_name(d, i, name, sizeof(name));
        const uint64_t length = strlen(name) + 1;
        if (used + length > capacity) {
            char *grown = realloc(all, capacity = 2 * (used + length));
            if (!grown)
                free(all);
            all = grown;
        }
        if (all)
            memcpy(all + used, name, length);
        used += length;
    }
    *size = used;
    return all;
}

// A JSON list; names that are no UTF-8 are "?". For free().
static char *list_classes(const vkd_dataset *d)
{
    json_t *list = json_array();
    for (uint32_t c = 0; c < vkd_dataset_info(d)->classes; c++) {
        json_t *name = json_string(vkd_dataset_class_name(d, c));
        json_array_append_new(list, name ? name : json_string("?"));
    }
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

vkd_result vkd_features_save(const struct vkd_features *f, const struct vkd_features_params *p, const char *path,
                             const struct vkd_log *log)
{
    const struct vkd_log silent = { .fn = NULL };
    const char *split = p->split ? p->split : "test", *layer = vkd__features_layer(p, 0);
    vkd_dataset *d = NULL;
    uint64_t size = 0;
    vkd_result r = vkd_dataset_open(&(struct vkd_dataset_params) { p->data, split, log ? *log : silent }, &d);
    if (r < 0)
        return r;
    char *names = join_names(d, f, &size), *classes = list_classes(d);
    int64_t *labels = malloc((f->rows + 1u) * sizeof(*labels));
    r = names && classes && labels ? VKD_OK : VKD_NO_MEMORY;
    for (uint32_t i = 0; r == VKD_OK && i < f->rows; i++)
        labels[i] = f->labels[i] == VKD_NO_LABEL ? -1 : (int64_t) f->labels[i];
    if (r == VKD_OK) {
        struct vkd__st_tensor tensors[4] = {
            { .name = "features", .type = VKD__ST_F32, .rank = 2, .shape = { f->rows, f->dim }, .data = f->values },
            { .name = "labels", .type = VKD__ST_I64, .rank = 1, .shape = { f->rows }, .data = labels },
            { .name = "targets", .type = VKD__ST_F32, .rank = 2, .shape = { f->rows, f->classes }, .data = f->targets },
        };
        const uint32_t last = f->targets ? 3 : 2;
        tensors[last] = (struct vkd__st_tensor) { .name = "paths", .type = VKD__ST_U8, .rank = 1, .shape = { size },
                                                 .data = names };
        const struct vkd__st_pair pairs[] = {
            { "format", "pt" }, { "data", p->data }, { "split", vkd_dataset_info(d)->split }, { "layer", layer },
            { "arch", f->model.arch }, { "class_names", classes },
        };
        r = vkd__st_write(path, log, tensors, last + 1, pairs, sizeof(pairs) / sizeof(pairs[0]));
    }
    free(labels);
    free(names);
    free(classes);
    vkd_dataset_close(&d);
    return r;
}
