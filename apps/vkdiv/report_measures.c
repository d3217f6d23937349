// report_measures.c -- what was measured of a run: diversity of its filters, transfer to other data.
#include "apps/vkdiv/report.h"

#include "engine/diversity_json.h"
#include "engine/json.h"
#include "engine/run_folder.h"
#include "runtime/os.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRANSFERS = 200 };           // files of a run that are looked at

// ---- Diversity ---------------------------------------------------------------------------------

static bool stop(const struct report *r)
{
    return r->p->stop != NULL && r->p->stop(r->p->user);
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
        static const char *const plain[] = { "name", "kind", "filters", "fan_in", "dead" };
        for (size_t k = 0; k < sizeof plain / sizeof plain[0]; k++)
            json_object_set(row, plain[k], json_object_get(layer, plain[k]));
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            json_object_set_new(row, names[k], pair(layer, names[k]));
        json_array_append_new(layers, row);
    }
    json_t *features = json_deep_copy(json_object_get(doc, "features")), *channels = json_object_get(features, "channels");
    if (channels != NULL)
        json_object_set_new(features, "channel_clusters", pair(channels, "clusters"));
    json_object_del(features, "channels");
    return json_pack("{s:o, s:o}", "layers", layers, "features", features ? features : json_null());
}

vkd_result report_diversity(struct report *r, const char *dir, const char *hash, json_t *run)
{
    const struct report_params *p = r->p;
    vkd_result result = VKD_OK;
    if (hash[0] == 0) {
        report_note(r, run, "Diversity of filters is missing: the weights could not be read.");
        return VKD_OK;
    }
    json_t *doc = vkd__diversity_load(dir, hash, &p->log);
    if (doc == NULL) {
        result = stop(r) ? VKD_INTERRUPTED : vkd__diversity_make(r->nulls, &(struct vkd_diversity_params){
            .path = dir, .log = p->log, .stop = p->stop, .user = p->user }, hash, &doc);
        if (result == VKD_OK)
            (void)!vkd__diversity_save(dir, doc, &p->log);  // shown all the same
    }
    if (result == VKD_OK)
        json_object_set_new(run, "diversity", brief(doc));
    else
        report_note(r, run, "Diversity of filters is missing: %s.", vkd_result_text(result));
    json_decref(doc);
    return result == VKD_NO_MEMORY ? result : VKD_OK;
}

// ---- Transfer ----------------------------------------------------------------------------------

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
    json_object_set(row, "fingerprint", json_object_get(json_object_get(doc, "data"), "fingerprint"));
    json_object_set(row, "protocol", json_object_get(json_object_get(doc, "protocol"), "name"));
    json_object_set(row, "text", json_object_get(json_object_get(doc, "protocol"), "text"));
    if (json_is_object(select)) {
        json_t *choice = json_copy((json_t *)select);
        json_object_set_new(choice, "candidates", json_integer((json_int_t)json_array_size(json_object_get(select, "candidates"))));
        json_object_set_new(row, "select", choice);
    }
    return row;
}

// Whether a result is of weights that the run has: those that it stands for, or of a choice the checkpoint chosen.
static bool is_of_run(const struct report *r, const char *dir, const char *hash, const json_t *doc)
{
    const char *chosen = json_string_value(json_object_get(json_object_get(doc, "select"), "checkpoint"));
    char path[8192], own[17] = "";
    uint64_t value;
    if (chosen == NULL)
        return vkd__is_of_weights(doc, hash);
    snprintf(path, sizeof path, "%s/%s", dir, chosen);
    if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE && vkd_weights_hash(path, &r->p->log, &value) == VKD_OK)
        snprintf(own, sizeof own, "%016" PRIx64, value);
    return vkd__is_of_weights(doc, own);
}

void report_transfer(struct report *r, const char *dir, const char *hash, json_t *run)
{
    char folder[4096], path[8192];
    char **names = NULL;
    uint32_t count = 0, other = 0;
    struct vkd__why why;
    json_t *list = json_array();
    snprintf(folder, sizeof folder, "%s/transfer", dir);
    if (vkd__path_kind(folder, NULL, NULL) == VKD__PATH_DIR && vkd__dir_list(folder, &names, &count, &why) != VKD_OK)
        report_note(r, run, "Transfer results are missing: %s.", why.text);
    for (uint32_t i = 0; i < count && json_array_size(list) < TRANSFERS; i++) {
        if (!vkd__json_named(names[i]))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        json_t *doc = vkd__json_load(path, &why);
        if (doc == NULL || !json_is_number(json_object_get(doc, "value")))
            report_note(r, run, "A transfer result was left out: %s.", doc ? "it has no value" : why.text);
        else if (!is_of_run(r, dir, hash, doc))
            other++;
        else
            json_array_append_new(list, result_json(doc));
        json_decref(doc);
    }
    if (other > 0)
        report_note(r, run, "%u transfer result%s left out: of other weights than the run has now, or of an earlier vkdiv.", other,
                    other == 1 ? " was" : "s were");
    free(names);
    json_object_set_new(run, "transfer", list);
}
