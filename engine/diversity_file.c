// diversity_file.c -- a run's diversity.json: the measured diversity of its weights, made once.
#include "diversity_json.h"

#include "json.h"

#include <stdio.h>
#include <string.h>

static void path_of(const char *dir, char path[4200])
{
    snprintf(path, 4200, "%.4000s/diversity.json", dir);
}

json_t *vkd__diversity_load(const char *dir, const char *hash, const struct vkd_log *log)
{
    char path[4200];
    struct vkd__why why;
    path_of(dir, path);
    json_t *doc = vkd__json_load(path, &why);
    const char *of = json_string_value(json_object_get(doc, "weights_hash"));
    if (why.text[0])
        vkd_log_write(log, VKD_LOG_WARNING, "%s; it is made again", why.text);
    if (doc && hash[0] && (!of || strcmp(of, hash))) {
        json_decref(doc);
        doc = NULL;
    }
    return doc;
}

vkd_result vkd__diversity_save(const char *dir, const json_t *doc, const struct vkd_log *log)
{
    char path[4200];
    path_of(dir, path);
    return vkd__json_save(path, doc, log, VKD_LOG_WARNING);     // there are measures all the same
}

vkd_result vkd__diversity_make(vkd_filter_nulls *nulls, const struct vkd_diversity_params *p, const char *hash,
                               json_t **out)
{
    struct vkd_diversity d;
    vkd_result r = vkd_diversity_measure(nulls, p, &d);
    if (r < 0)
        return r;
    json_t *doc = vkd__diversity_json(p->path, &d);
    vkd_diversity_finish(&d);
    json_object_set_new(doc, "schema", json_integer(1));
    json_object_set_new(doc, "weights_hash", json_string(hash));
    if (!doc)
        return VKD_NO_MEMORY;
    *out = doc;
    return VKD_OK;
}
