// finetune_files.c -- what of a grid of runs is done, and cleaning their folders.
#include "finetune.h"

#include "../../runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_points(const json_t *list, struct vkd__finetune_grid *g)
{
    if (json_array_size(list) != g->count)
        return false;
    for (uint32_t i = 0; i < g->count; i++) {
        const json_t *o = json_array_get(list, i), *val = json_object_get(o, "val");
        struct vkd__finetune_point *p = &g->points[i];
        // Written with 17 digits, so that they are the same bits.
        bool same = json_number_value(json_object_get(o, "lr")) == p->lr &&
                    json_number_value(json_object_get(o, "weight_decay")) == p->weight_decay;
        if (!same)
            return false;
        p->done = json_is_true(json_object_get(o, "done"));
        p->val = json_is_number(val) ? json_number_value(val) : NAN;
    }
    return true;
}

bool vkd__finetune_grid_read(const char *folder, struct vkd__finetune_grid *g)
{
    char path[4200];
    struct vkd__why why;
    uint8_t *data;
    uint64_t size;
    snprintf(path, sizeof(path), "%s/grid.json", folder);
    if (vkd__path_kind(path, NULL, NULL) != VKD__PATH_FILE || vkd__file_read(path, 16 << 20, &data, &size, &why) < 0)
        return false;
    json_t *doc = json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES, NULL);
    free(data);
    bool good = json_is_object(doc) && read_points(json_object_get(doc, "points"), g);
    for (uint32_t i = 0; !good && i < g->count; i++)
        g->points[i].done = false;
    g->complete = good && json_is_true(json_object_get(doc, "complete"));
    json_decref(doc);
    return good;
}

vkd_result vkd__finetune_grid_write(const char *folder, const struct vkd_log *log, const struct vkd__finetune_grid *g)
{
    char path[4200];
    struct vkd__why why;
    json_t *list = json_array();
    for (uint32_t i = 0; i < g->count; i++) {
        const struct vkd__finetune_point *p = &g->points[i];
        json_array_append_new(list, json_pack("{s:f, s:f, s:b, s:o}", "lr", p->lr, "weight_decay", p->weight_decay, "done",
                                              p->done, "val", p->done && isfinite(p->val) ? json_real(p->val) : json_null()));
    }
    json_t *doc = json_pack("{s:i, s:b, s:o}", "schema", 1, "complete", g->complete, "points", list);
    char *text = doc ? json_dumps(doc, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(doc);
    if (!text)
        return VKD_NO_MEMORY;
    snprintf(path, sizeof(path), "%s/grid.json", folder);
    vkd_result r = vkd__file_replace(path, text, strlen(text), &why);
    if (r < 0)
        vkd_log_write(log, VKD_LOG_ERROR, "%s", why.text);
    free(text);
    return r;
}

// Removes the files of `folder` that end in `end` (NULL: all), and the folder when nothing is left of it.
static void remove_files(const char *folder, const char *end)
{
    char path[4500], **names;
    uint32_t count;
    struct vkd__why why;
    if (vkd__path_kind(folder, NULL, NULL) != VKD__PATH_DIR || vkd__dir_list(folder, &names, &count, &why) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        const char *tail = end ? strstr(names[i], end) : NULL;
        snprintf(path, sizeof(path), "%s/%.200s", folder, names[i]);
        if (!end || (tail && !tail[strlen(end)]))
            remove(path);
    }
    free(names);
    remove(folder);
}

void vkd__finetune_sweep(const char *run, bool all)
{
    char path[4300];
    snprintf(path, sizeof(path), "%s/state", run);
    remove_files(path, NULL);
    remove_files(run, all ? NULL : ".safetensors");
}
