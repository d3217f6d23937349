// result_json.c -- results as files: KEY.json, and of several labels an image KEY.scores.safetensors beside it.
#include "result_json.h"
#include "transfer_impl.h"

#include "../json.h"
#include "../run_folder.h"
#include "../safetensors.h"
#include "../../runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vkd__transfer_file(const char *folder, const char *key, char *path, size_t size)
{
    snprintf(path, size, "%.4000s/transfer/%s.json", folder, key);
}

static json_t *hex(uint64_t value)
{
    char s[17];
    snprintf(s, sizeof(s), "%016llx", (unsigned long long) value);
    return json_string(s);
}

// ---- Writing ----------------------------------------------------------------------------------

// -1 where there is none.
static json_t *classes_of(const uint32_t *list, uint32_t count)
{
    json_t *a = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(a, json_integer(list[i] == VKD_NO_LABEL ? -1 : (json_int_t) list[i]));
    return a;
}

static json_t *metrics_of(const struct vkd_transfer_result *r)
{
    if (r->multi_label)
        return json_pack("{s:o, s:o, s:o}", "map", vkd__json_real(r->map), "map11", vkd__json_real(r->map11), "map_voc",
                         vkd__json_real(r->map_voc));
    return json_pack("{s:o, s:o}", "top1", vkd__json_real(r->top1), "mean_per_class", vkd__json_real(r->mean_per_class));
}

static json_t *chosen_of(const struct vkd_transfer_result *r)
{
    json_t *c = json_pack("{s:o, s:o}", "layer", vkd__json_text(r->layer), "checkpoint", vkd__json_text(r->model));
    if (r->k)
        json_object_set_new(c, "k", json_integer(r->k));
    if (r->k)
        json_object_set_new(c, "temperature", vkd__json_real(r->temperature));
    if (isfinite(r->penalty))
        json_object_set_new(c, "penalty", json_real(r->penalty));
    if (isfinite(r->lr) && r->lr > 0)
        json_object_set_new(c, "lr", json_real(r->lr));
    if (isfinite(r->lr) && r->lr > 0)
        json_object_set_new(c, "weight_decay", vkd__json_real(r->weight_decay));
    return c;
}

static json_t *selection_of(const struct vkd_transfer_selection *s)
{
    if (!s)
        return json_null();
    json_t *list = json_array();
    const struct vkd_transfer_candidate *best = &s->candidates[s->chosen];
    for (uint32_t i = 0; i < s->candidate_count; i++) {
        const struct vkd_transfer_candidate *c = &s->candidates[i];
        json_array_append_new(list, json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o}",
            "checkpoint", vkd__json_text(c->checkpoint), "step", (json_int_t) c->steps, "layer", vkd__json_text(c->layer),
            "score", vkd__json_real(c->score), "rankme", vkd__json_real(c->rankme),
            "rankme_untrained", vkd__json_real(c->untrained), "val", vkd__json_real(c->val),
            "setting", vkd__json_real(c->penalty)));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o}", "checkpoint", vkd__json_text(best->checkpoint), "layer",
                     vkd__json_text(best->layer), "score", vkd__json_real(best->score), "lambda", vkd__json_real(s->lambda),
                     "chosen", (int) s->chosen, "candidates", list, "last", vkd__json_real(s->last), "gain",
                     vkd__json_real(s->gain), "p", vkd__json_real(s->p));
}

json_t *vkd__transfer_json(const struct vkd_transfer_result *r, bool images)
{
    json_t *per_class = json_array(), *names = json_array();
    for (uint32_t c = 0; c < r->classes; c++) {
        json_array_append_new(per_class, vkd__json_real(r->per_class[c]));
        json_array_append_new(names, vkd__json_text(r->class_names[c]));
    }
    json_t *model = json_pack("{s:o, s:o, s:s, s:i, s:i, s:I}", "path", vkd__json_text(r->model), "weights_hash",
                              hex(r->weights_hash), "arch", r->info.arch, "width", (int) r->info.width, "classes",
                              (int) r->info.classes, "step", (json_int_t) r->info.steps);
    json_t *data = json_pack("{s:o, s:o, s:i, s:i, s:i, s:i, s:b, s:i, s:b}", "spec", vkd__json_text(r->data), "fingerprint",
                             hex(r->fingerprint), "train", (int) r->train, "val", (int) r->val, "test", (int) r->test,
                             "unreadable", (int) r->unreadable, "held_out", r->held_out, "classes", (int) r->classes,
                             "multi_label", r->multi_label);
    json_t *doc = json_pack("{s:i, s:i, s:s, s:o, s:o, s:{s:s, s:o}, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "schema", 1, "version", VKD__TRANSFER_VERSION, "key", r->key, "model", model, "data", data, "protocol", "name",
        r->protocol, "text", vkd__json_text(r->text), "metric", r->metric, "value", vkd__json_real(r->value), "low",
        vkd__json_real(r->low), "high", vkd__json_real(r->high), "log_odds", vkd__json_real(r->log_odds), "metrics", metrics_of(r),
        "per_class", per_class, "class_names", names, "chosen", chosen_of(r), "select", selection_of(r->selection));
    if (doc && images && r->groups)
        json_object_set_new(doc, "groups", classes_of(r->groups, r->test));
    if (doc && images && r->predictions) {
        json_object_set_new(doc, "predictions", classes_of(r->predictions, r->test));
        json_object_set_new(doc, "labels", classes_of(r->labels, r->test));
    }
    return doc;
}

static vkd_result write_scores(const char *path, const struct vkd_transfer_result *r)
{
    const struct vkd__st_tensor tensors[2] = {
        { .name = "scores", .type = VKD__ST_F32, .rank = 2, .shape = { r->test, r->classes }, .data = r->scores },
        { .name = "truth", .type = VKD__ST_I8, .rank = 2, .shape = { r->test, r->classes }, .data = r->truth },
    };
    const struct vkd__st_pair pair = { "key", r->key };
    return vkd__st_write(path, NULL, tensors, 2, &pair, 1);
}

vkd_result vkd__transfer_write(const struct vkd__transfer *t, struct vkd_transfer_result *r)
{
    const char *folder = t->out;
    const struct vkd_log *log = &t->log;
    char path[4200], scores[4200];
    struct vkd__why why;
    snprintf(path, sizeof(path), "%.4000s/transfer", folder);
    vkd_result res = vkd__dir_create(path, &why);
    if (res < 0) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s", why.text);
        return res;
    }
    vkd__transfer_file(folder, r->key, path, sizeof(path));
    json_t *doc = vkd__transfer_json(r, true);
    json_object_set(json_object_get(doc, "protocol"), "settings", t->settings);
    if (doc && r->scores) {
        snprintf(scores, sizeof(scores), "%s.scores.safetensors", r->key);
        json_object_set_new(doc, "scores_file", json_string(scores));
        snprintf(scores, sizeof(scores), "%.4000s/transfer/%s.scores.safetensors", folder, r->key);
        res = write_scores(scores, r);
        if (res < 0)
            vkd_log_write(log, VKD_LOG_ERROR, "%.1000s cannot be written: is there space?", scores);
    }
    char *dump = doc && res == VKD_OK ? json_dumps(doc, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(doc);
    if (res < 0)
        return res;
    if (!dump || !(r->path = strdup(path))) {
        free(dump);
        return VKD_NO_MEMORY;
    }
    res = vkd__file_replace(path, dump, strlen(dump), &why);
    if (res < 0)
        vkd_log_write(log, VKD_LOG_ERROR, "%s", why.text);
    free(dump);
    return res;
}

// ---- Reading ----------------------------------------------------------------------------------

static double number_at(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static uint64_t hex_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? strtoull(s, NULL, 16) : 0;
}

static void text_at(const json_t *o, const char *key, char *out, size_t size)
{
    const char *s = json_string_value(json_object_get(o, key));
    snprintf(out, size, "%s", s ? s : "");
}

// A whole number from 0 to `most`; false: it is not.
static bool count_at(const json_t *o, const char *key, uint32_t most, uint32_t *out)
{
    const json_t *v = json_object_get(o, key);
    json_int_t n = json_integer_value(v);
    *out = (uint32_t) n;
    return json_is_integer(v) && n >= 0 && n <= most;
}

// malloc'd; NULL: not a list of `count` classes.
static uint32_t *read_classes(const json_t *list, uint32_t count, uint32_t classes)
{
    uint32_t *out = json_array_size(list) == count && count ? malloc(count * sizeof(*out)) : NULL;
    for (uint32_t i = 0; out && i < count; i++) {
        const json_t *v = json_array_get(list, i);
        json_int_t n = json_integer_value(v);
        if (!json_is_integer(v) || n < -1 || n >= classes) {
            free(out);
            return NULL;
        }
        out[i] = n < 0 ? VKD_NO_LABEL : (uint32_t) n;
    }
    return out;
}

// Groups are numbered by the first of their images.
static bool are_groups(const uint32_t *groups, uint32_t count)
{
    for (uint32_t i = 0; groups && i < count; i++)
        if (groups[i] > i || groups[groups[i]] != groups[i])
            return false;
    return true;
}

static bool read_selection(const json_t *v, struct vkd_transfer_result *r)
{
    const json_t *list = json_object_get(v, "candidates");
    if (!json_is_object(v))
        return true;
    struct vkd_transfer_selection *s = r->selection = calloc(1, sizeof(*s));
    if (!s || !json_array_size(list) || !(s->candidates = calloc(json_array_size(list), sizeof(*s->candidates))))
        return false;
    s->lambda = number_at(v, "lambda");
    s->last = number_at(v, "last");
    s->gain = number_at(v, "gain");
    s->p = number_at(v, "p");
    s->candidate_count = (uint32_t) json_array_size(list);
    for (uint32_t i = 0; i < s->candidate_count; i++) {
        const json_t *o = json_array_get(list, i);
        struct vkd_transfer_candidate *c = &s->candidates[i];
        text_at(o, "checkpoint", c->checkpoint, sizeof(c->checkpoint));
        text_at(o, "layer", c->layer, sizeof(c->layer));
        c->steps = (uint64_t) json_integer_value(json_object_get(o, "step"));
        c->score = number_at(o, "score");
        c->rankme = number_at(o, "rankme");
        c->untrained = number_at(o, "rankme_untrained");
        c->val = number_at(o, "val");
        c->penalty = number_at(o, "setting");
    }
    return count_at(v, "chosen", s->candidate_count - 1, &s->chosen);
}

static const char *read_task(const json_t *doc, struct vkd_transfer_result *r)
{
    const json_t *model = json_object_get(doc, "model"), *data = json_object_get(doc, "data");
    const json_t *protocol = json_object_get(doc, "protocol");
    const char *path = json_string_value(json_object_get(model, "path")), *spec = json_string_value(json_object_get(data, "spec"));
    const char *line = json_string_value(json_object_get(protocol, "text"));
    uint32_t unused;
    if (json_integer_value(json_object_get(doc, "schema")) != 1)
        return "schema must be 1";
    if (!path || !spec || !line)
        return "model.path, data.spec or protocol.text is missing";
    if (!count_at(data, "train", UINT32_MAX, &r->train) || !count_at(data, "val", UINT32_MAX, &r->val) ||
        !count_at(data, "test", UINT32_MAX, &r->test) || !count_at(data, "classes", 1 << 24, &r->classes))
        return "the counts of data are missing";
    if (json_array_size(json_object_get(doc, "per_class")) != r->classes ||
        json_array_size(json_object_get(doc, "class_names")) != r->classes)
        return "per_class and class_names must be as long as there are classes";
    r->model = strdup(path);
    r->data = strdup(spec);
    r->text = strdup(line);
    r->weights_hash = hex_at(model, "weights_hash");
    r->fingerprint = hex_at(data, "fingerprint");
    r->held_out = json_is_true(json_object_get(data, "held_out"));
    r->unreadable = count_at(data, "unreadable", UINT32_MAX, &unused) ? unused : 0;
    r->multi_label = json_is_true(json_object_get(data, "multi_label"));
    text_at(doc, "key", r->key, sizeof(r->key));
    text_at(model, "arch", r->info.arch, sizeof(r->info.arch));
    text_at(protocol, "name", r->protocol, sizeof(r->protocol));
    text_at(doc, "metric", r->metric, sizeof(r->metric));
    r->info.width = count_at(model, "width", UINT32_MAX, &unused) ? unused : 0;
    r->info.classes = count_at(model, "classes", UINT32_MAX, &unused) ? unused : 0;
    r->info.steps = (uint64_t) json_integer_value(json_object_get(model, "step"));
    return NULL;
}

static const char *read_numbers(const json_t *doc, struct vkd_transfer_result *r)
{
    const json_t *metrics = json_object_get(doc, "metrics"), *chosen = json_object_get(doc, "chosen");
    r->value = number_at(doc, "value");
    r->low = number_at(doc, "low");
    r->high = number_at(doc, "high");
    r->log_odds = number_at(doc, "log_odds");
    r->top1 = number_at(metrics, "top1");
    r->mean_per_class = number_at(metrics, "mean_per_class");
    r->map = number_at(metrics, "map");
    r->map11 = number_at(metrics, "map11");
    r->map_voc = number_at(metrics, "map_voc");
    text_at(chosen, "layer", r->layer, sizeof(r->layer));
    r->penalty = number_at(chosen, "penalty");
    r->temperature = number_at(chosen, "temperature");
    r->lr = number_at(chosen, "lr");
    r->weight_decay = number_at(chosen, "weight_decay");
    if (!count_at(chosen, "k", UINT32_MAX, &r->k))
        r->k = 0;
    r->per_class = malloc((r->classes + 1u) * sizeof(*r->per_class));
    r->class_names = calloc(r->classes + 1u, sizeof(*r->class_names));
    for (uint32_t c = 0; r->per_class && r->class_names && c < r->classes; c++) {
        const json_t *v = json_array_get(json_object_get(doc, "per_class"), c);
        const char *name = json_string_value(json_array_get(json_object_get(doc, "class_names"), c));
        r->per_class[c] = json_is_number(v) ? json_number_value(v) : NAN;
        r->class_names[c] = strdup(name ? name : "?");
    }
    if (isnan(r->value))
        return "value is missing";
    if (!read_selection(json_object_get(doc, "select"), r))
        return "select is not what a choice is written as";
    r->groups = read_classes(json_object_get(doc, "groups"), r->test, r->test);
    if (!are_groups(r->groups, r->test))
        return "groups must be numbered by their first images";
    r->labels = read_classes(json_object_get(doc, "labels"), r->test, r->classes);
    r->predictions = read_classes(json_object_get(doc, "predictions"), r->test, r->classes);
    return NULL;
}

static bool are_sound(const float *scores, const int8_t *truth, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (!isfinite(scores[i]) || truth[i] < VKD_TRUTH_UNKNOWN || truth[i] > VKD_TRUTH_YES)
            return false;
    return true;
}

static bool is_table(const struct vkd__st_tensor *t, enum vkd__st_type type, const struct vkd_transfer_result *r)
{
    return t && t->type == type && t->rank == 2 && t->shape[0] == r->test && t->shape[1] == r->classes;
}

// Scores and truth, where their file is there and of this result. Not NULL: what is wrong with it.
static const char *read_scores(const char *json_path, const json_t *doc, struct vkd_transfer_result *r)
{
    const char *name = json_string_value(json_object_get(doc, "scores_file")), *slash = strrchr(json_path, '/');
    const char *wrong = NULL;
    char path[4300];
    vkd__st_file *f = NULL;
    if (!name || strchr(name, '/'))
        return NULL;
    snprintf(path, sizeof(path), "%.*s%.90s", slash ? (int) (slash - json_path) + 1 : 0, json_path, name);
    if (vkd__st_open(path, NULL, &f) < 0)
        return NULL;
    const struct vkd__st_tensor *s = vkd__st_find(f, "scores"), *t = vkd__st_find(f, "truth");
    const char *key = vkd__st_metadata(f, "key");
    if (is_table(s, VKD__ST_F32, r) && is_table(t, VKD__ST_I8, r) && key && !strcmp(key, r->key)) {
        r->scores = malloc(vkd__st_size(s) + 1);
        r->truth = malloc(vkd__st_size(t) + 1);
        if (r->scores && r->truth) {
            memcpy(r->scores, s->data, vkd__st_size(s));
            memcpy(r->truth, t->data, vkd__st_size(t));
            if (!are_sound(r->scores, r->truth, s->numel))
                wrong = "its scores file holds numbers that are not finite, or truth that is none";
        }
    }
    vkd__st_close(&f);
    return wrong;
}

vkd_result vkd_transfer_load(const char *path, const struct vkd_log *log, struct vkd_transfer_result *out)
{
    struct vkd_transfer_result r = { .classes = 0 };
    struct vkd__why why;
    json_error_t error = { .text = "" };
    uint8_t *data;
    uint64_t size;
    vkd_result res = vkd__file_read(path, UINT64_C(1) << 30, &data, &size, &why);
    if (res < 0) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s", why.text);
        return res;
    }
    json_t *doc = json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES, &error);
    free(data);
    const char *wrong = json_is_object(doc) ? read_task(doc, &r) : error.text;
    if (!wrong)
        wrong = read_numbers(doc, &r);
    if (!wrong)
        wrong = read_scores(path, doc, &r);
    if (wrong) {
        vkd_log_write(log, VKD_LOG_ERROR, "%.600s is not the result of a transfer: %s", path, wrong);
        res = VKD_FORMAT;
    } else {
        r.path = strdup(path);
        bool good = r.path && r.model && r.data && r.text && r.per_class && r.class_names;
        res = good ? VKD_OK : VKD_NO_MEMORY;
    }
    json_decref(doc);
    if (res < 0)
        vkd_transfer_finish(&r);
    else
        *out = r;
    return res;
}
