// report_measures.c -- what was measured of a run: diversity of its filters, transfer to other data.
#include "apps/vkdiv/report.h"

#include "engine/diversity_json.h"
#include "engine/run_folder.h"
#include "runtime/os.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRANSFERS = 200 };           // files of a run that are looked at
static const uint64_t file_max = 64 << 20;

// A JSON object from a file; NULL, with the reason in `why`.
static json_t *read_object(const char *path, struct vkd__why *why)
{
    uint8_t *data;
    uint64_t size;
    json_error_t error;
    if (vkd__file_read(path, file_max, &data, &size, why) != VKD_OK)
        return NULL;
    json_t *doc = json_loadb((const char *)data, size, 0, &error);
    free(data);
    if (json_is_object(doc))
        return doc;
    snprintf(why->text, sizeof why->text, "%.300s is not a JSON object (line %d: %.120s)", path, error.line, error.text);
    json_decref(doc);
    return NULL;
}

// ---- Diversity ---------------------------------------------------------------------------------

static bool stop(const struct report *r)
{
    return r->p->stop != NULL && r->p->stop(r->p->user);
}

// Measures the filters and keeps that as the run's diversity.json.
static vkd_result measure(struct report *r, const char *dir, const char *file, const char *hash, json_t **doc)
{
    const struct report_params *p = r->p;
    struct vkd_diversity d;
    struct vkd__why why;
    vkd_result result = vkd_diversity_measure(r->nulls, &(struct vkd_diversity_params){
        .path = dir, .log = p->log, .stop = p->stop, .user = p->user }, &d);
    if (result != VKD_OK)
        return result;
    *doc = vkd__diversity_json(dir, &d);
    vkd_diversity_finish(&d);
    json_object_set_new(*doc, "schema", json_integer(1));
    json_object_set_new(*doc, "weights_hash", json_string(hash));
    char *text = json_dumps(*doc, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    if (text == NULL)
        return VKD_NO_MEMORY;
    if (vkd__file_replace(file, text, strlen(text), &why) != VKD_OK)
        vkd_log_write(&p->log, VKD_LOG_WARNING, "%s", why.text);
    free(text);
    return VKD_OK;
}

// The pair [found, null] of a measure, or of the calibrated clusters as shares of the filters.
static json_t *pair(const json_t *layer, const char *name)
{
    const json_t *null = json_object_get(json_object_get(layer, "null"), name), *found = json_object_get(layer, name);
    if (strcmp(name, "clusters") == 0) {
        const json_t *last = json_array_get(found, json_array_size(found) - 1);
        const double filters = json_number_value(json_object_get(layer, "filters"));
        return json_pack("[o, o]", report_number(json_number_value(json_object_get(last, "count")) / filters),
                         report_number(json_number_value(json_object_get(last, "null")) / filters));
    }
    return json_pack("[o, o]", report_number(json_is_number(found) ? json_number_value(found) : NAN),
                     report_number(json_is_number(null) ? json_number_value(null) : NAN));
}

// Only what is drawn: the file has all thresholds.
static json_t *brief(const json_t *doc)
{
    static const char *const names[] = { "clusters", "mean_abs_cos", "effective_rank" };
    json_t *layers = json_array(), *layer;
    size_t i;
    json_array_foreach(json_object_get(doc, "layers"), i, layer) {
        json_t *row = json_object();
        static const char *const plain[] = { "name", "kind", "filters", "fan_in" };
        for (size_t k = 0; k < sizeof plain / sizeof plain[0]; k++)
            json_object_set(row, plain[k], json_object_get(layer, plain[k]));
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            json_object_set_new(row, names[k], pair(layer, names[k]));
        json_array_append_new(layers, row);
    }
    json_t *features = json_deep_copy(json_object_get(doc, "features"));
    json_object_del(features, "channels");
    return json_pack("{s:o, s:o}", "layers", layers, "features", features ? features : json_null());
}

vkd_result report_diversity(struct report *r, const char *dir, json_t *run)
{
    char file[4096], model[4096], text[20];
    struct vkd__why why;
    uint64_t hash;
    vkd__model_path(dir, model, sizeof model);
    vkd_result result = vkd_weights_hash(model, &r->p->log, &hash);
    if (result != VKD_OK) {
        report_note(r, run, "Diversity of filters is missing: the weights could not be read.");
        return result == VKD_NO_MEMORY ? result : VKD_OK;
    }
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    snprintf(file, sizeof file, "%s/diversity.json", dir);
    json_t *doc = vkd__path_kind(file, NULL, NULL) == VKD__PATH_FILE ? read_object(file, &why) : NULL;
    const char *of = json_string_value(json_object_get(doc, "weights_hash"));
    if (of == NULL || strcmp(of, text) != 0) {
        json_decref(doc);
        doc = NULL;
        result = stop(r) ? VKD_INTERRUPTED : measure(r, dir, file, text, &doc);
    }
    if (result == VKD_OK)
        json_object_set_new(run, "diversity", brief(doc));
    else
        report_note(r, run, "Diversity of filters is missing: %s.", vkd_result_text(result));
    json_decref(doc);
    return result == VKD_NO_MEMORY ? result : VKD_OK;
}

// ---- Transfer ----------------------------------------------------------------------------------

static bool named_json(const char *name)
{
    size_t length = strlen(name);
    return length > 5 && strcmp(name + length - 5, ".json") == 0;
}

// What is shown of a result; the predictions and values per class stay in the file.
static json_t *result_json(const json_t *doc)
{
    static const char *const names[] = { "metric", "value", "low", "high", "log_odds", "metrics", "chosen" };
    const json_t *select = json_object_get(doc, "select");
    json_t *row = json_object();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        json_object_set(row, names[i], json_object_get(doc, names[i]));
    json_object_set(row, "data", json_object_get(json_object_get(doc, "data"), "spec"));
    json_object_set(row, "multi_label", json_object_get(json_object_get(doc, "data"), "multi_label"));
    json_object_set(row, "test", json_object_get(json_object_get(doc, "data"), "test"));
    json_object_set(row, "protocol", json_object_get(json_object_get(doc, "protocol"), "name"));
    json_object_set(row, "text", json_object_get(json_object_get(doc, "protocol"), "text"));
    if (json_is_object(select)) {
        json_t *choice = json_copy((json_t *)select);
        json_object_set_new(choice, "candidates", json_integer((json_int_t)json_array_size(json_object_get(select, "candidates"))));
        json_object_set_new(row, "select", choice);
    }
    return row;
}

void report_transfer(struct report *r, const char *dir, json_t *run)
{
    char folder[4096], path[8192];
    char **names = NULL;
    uint32_t count = 0;
    struct vkd__why why;
    json_t *list = json_array();
    snprintf(folder, sizeof folder, "%s/transfer", dir);
    if (vkd__path_kind(folder, NULL, NULL) == VKD__PATH_DIR && vkd__dir_list(folder, &names, &count, &why) != VKD_OK)
        report_note(r, run, "Transfer results are missing: %s.", why.text);
    for (uint32_t i = 0; i < count && json_array_size(list) < TRANSFERS; i++) {
        if (!named_json(names[i]))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        json_t *doc = read_object(path, &why);
        if (doc != NULL && json_is_number(json_object_get(doc, "value")))
            json_array_append_new(list, result_json(doc));
        else
            report_note(r, run, "A transfer result was left out: %s.", doc ? "it has no value" : why.text);
        json_decref(doc);
    }
    free(names);
    json_object_set_new(run, "transfer", list);
}
