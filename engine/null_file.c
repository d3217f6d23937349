// null_file.c -- a run's diversity-null.json: what untrained networks of its architecture make of images, measured once.
#include "diversity_impl.h"
#include "diversity_json.h"

#include "json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { VALUES = sizeof(struct vkd_feature_values) / sizeof(double),
       FILTER_VALUES = sizeof(struct vkd_filter_diversity) / sizeof(double), VERSION = 1 };

static void path_of(const char *dir, char path[4200])
{
    snprintf(path, 4200, "%.4000s/diversity-null.json", dir);
}

// Numbers in the order of the struct.
static json_t *numbers(const void *values, uint32_t count)
{
    json_t *list = json_array();
    double x;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&x, (const char *) values + i * sizeof(x), sizeof(x));
        json_array_append_new(list, vkd__json_real(x));
    }
    return list;
}

static bool read_numbers(const json_t *list, void *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const json_t *v = json_array_get(list, i);
        const double x = json_is_number(v) ? json_number_value(v) : NAN;
        memcpy((char *) values + i * sizeof(x), &x, sizeof(x));
    }
    return json_array_size(list) == count;
}

static json_t *load(const char *dir, struct vkd__why *why)
{
    char path[4200];
    path_of(dir, path);
    json_t *doc = vkd__json_load(path, why);
    if (!doc || json_integer_value(json_object_get(doc, "schema")) == VERSION)
        return doc;
    json_decref(doc);
    return NULL;
}

vkd_result vkd__feature_nulls_load(vkd_filter_nulls *nulls, const char *dir, const struct vkd_log *log)
{
    struct vkd__why why;
    json_t *doc = load(dir, &why), *row;
    const char *key;
    vkd_result r = VKD_OK;
    if (why.text[0])
        vkd_log_write(log, VKD_LOG_WARNING, "%s; it is made again", why.text);
    json_object_foreach(json_object_get(doc, "nulls"), key, row) {
        struct vkd__feature_null null = { .calibrated = NAN };
        const json_t *at = json_object_get(row, "calibrated");
        const bool good = strlen(key) < sizeof(null.key) && read_numbers(json_object_get(row, "values"), &null.value, VALUES) &&
                          read_numbers(json_object_get(row, "channels"), &null.channels, FILTER_VALUES);
        if (!good || r < 0)
            continue;
        snprintf(null.key, sizeof(null.key), "%s", key);
        null.calibrated = json_is_number(at) ? json_number_value(at) : NAN;
        r = vkd__feature_null_add(nulls, &null);
    }
    json_decref(doc);
    return r;
}

vkd_result vkd__feature_nulls_save(const vkd_filter_nulls *nulls, const struct vkd_features *f, uint32_t count, const char *dir,
                                   const struct vkd_log *log, enum vkd_log_level level)
{
    char path[4200];
    struct vkd__why why;
    json_t *doc = load(dir, &why), *all = json_object_get(doc, "nulls");
    bool changed = false;
    if (!json_is_object(all)) {
        json_decref(doc);
        doc = json_pack("{s:i, s:o}", "schema", VERSION, "nulls", all = json_object());
    }
    for (uint32_t i = 0; doc && i < count; i++) {
        const struct vkd__feature_null *k = vkd__feature_null_find(nulls, &f[i]);
        if (!k || json_object_get(all, k->key))
            continue;
        changed = true;
        json_object_set_new(all, k->key, json_pack("{s:o, s:o, s:o}", "values", numbers(&k->value, VALUES), "calibrated",
                            vkd__json_real(k->calibrated), "channels", numbers(&k->channels, FILTER_VALUES)));
    }
    path_of(dir, path);
    vkd_result r = !doc ? VKD_NO_MEMORY : changed ? vkd__json_save(path, doc, log, level) : VKD_OK;
    json_decref(doc);
    return r == VKD_NO_MEMORY ? r : VKD_OK;
}
