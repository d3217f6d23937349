// run_files.c -- run.json and metrics.jsonl.
#include "run_files.h"

#include "../json.h"
#include "../../runtime/os.h"

#include <vkdiv/train.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- The recipe as JSON ----

json_t *vkd__json_float(float value)
{
    char text[32];
    double d = 0;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, (double) value);
        d = strtod(text, NULL);
        if ((float) d == value)
            break;
    }
    return json_real(d);
}

static json_t *field_to_json(const struct vkd_recipe_field *f, const char *at)
{
    const float *floats = (const float *) at;
    json_t *list;
    switch (f->kind) {
    case VKD_RECIPE_STRING: return *(const char *const *) at ? json_string(*(const char *const *) at) : json_null();
    case VKD_RECIPE_U32:    return json_integer(*(const uint32_t *) at);
    case VKD_RECIPE_U64:    return json_integer((json_int_t) *(const uint64_t *) at);
    case VKD_RECIPE_BOOL:   return json_boolean(*(const bool *) at);
    case VKD_RECIPE_F32:    return vkd__json_float(*floats);
    case VKD_RECIPE_F32X2:
    case VKD_RECIPE_F32X3:
    case VKD_RECIPE_F32X4:
        list = json_array();
        for (uint32_t i = 0; i < vkd_recipe_floats(f->kind); i++)
            json_array_append_new(list, vkd__json_float(floats[i]));
        return list;
    }
    return NULL;
}

// Splits "section.name"; the section is "" for a plain key.
static const char *split_key(const char *key, char section[32])
{
    const char *dot = strchr(key, '.');
    snprintf(section, 32, "%.*s", dot ? (int) (dot - key) : 0, key);
    return dot ? dot + 1 : key;
}

json_t *vkd__recipe_to_json(const struct vkd_recipe *r)
{
    json_t *root = json_object();
    const struct vkd_recipe_field *f;
    for (uint32_t i = 0; root && (f = vkd_recipe_field_at(i)); i++) {
        char section[32];
        const char *name = split_key(f->key, section);
        json_t *owner = root;
        if (section[0] && !(owner = json_object_get(root, section))) {
            json_object_set_new(root, section, json_object());
            owner = json_object_get(root, section);
        }
        if (json_object_set_new(owner, name, field_to_json(f, (const char *) r + f->ofs)) < 0) {
            json_decref(root);
            return NULL;
        }
    }
    return root;
}

static json_t *find_key(json_t *json, const char *key)
{
    char section[32];
    const char *name = split_key(key, section);
    return json_object_get(section[0] ? json_object_get(json, section) : json, name);
}

void vkd__recipe_from_json(json_t *json, struct vkd_recipe *r)
{
    const struct vkd_recipe_field *f;
    for (uint32_t i = 0; (f = vkd_recipe_field_at(i)); i++) {
        json_t *v = find_key(json, f->key);
        char *at = (char *) r + f->ofs;
        switch (f->kind) {
        case VKD_RECIPE_STRING: if (json_is_string(v)) *(const char **) at = json_string_value(v); break;
        case VKD_RECIPE_U32:    if (json_is_integer(v)) *(uint32_t *) at = (uint32_t) json_integer_value(v); break;
        case VKD_RECIPE_U64:    if (json_is_integer(v)) *(uint64_t *) at = (uint64_t) json_integer_value(v); break;
        case VKD_RECIPE_BOOL:   if (json_is_boolean(v)) *(bool *) at = json_is_true(v); break;
        case VKD_RECIPE_F32:    if (json_is_number(v)) *(float *) at = (float) json_number_value(v); break;
        case VKD_RECIPE_F32X2:
        case VKD_RECIPE_F32X3:
        case VKD_RECIPE_F32X4:
            for (size_t k = 0; k < json_array_size(v) && k < vkd_recipe_floats(f->kind); k++)
                ((float *) at)[k] = (float) json_number_value(json_array_get(v, k));
            break;
        }
    }
}

// Whether a key may change between parts of one run without changing its numbers.
static bool is_free(const char *key)
{
    static const char *const keys[] = { "steps", "eval_every", "checkpoint_minutes", "keep_every", "data.threads",
                                        "data.bad_limit" };
    bool found = false;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        found |= !strcmp(keys[i], key);
    return found;
}

// Whether a key says how small crops are made, of which neither run has any.
static bool is_idle(const char *key, json_t *old, json_t *now)
{
    static const char section[] = "crops.", count[] = "crops.count";
    return !strncmp(key, section, strlen(section)) && strcmp(key, count) && !json_integer_value(find_key(old, count)) &&
           !json_integer_value(find_key(now, count));
}

static void tell_difference(const char *key, const json_t *a, const json_t *b, char *text, size_t size)
{
    char *ta = a ? json_dumps(a, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
    char *tb = b ? json_dumps(b, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
    snprintf(text, size, "%s was %s and is now %s", key, ta ? ta : "unset", tb ? tb : "unset");
    free(ta);
    free(tb);
}

const char *vkd__recipe_difference(json_t *old, json_t *now, char *text, size_t size)
{
    const struct vkd_recipe_field *f;
    struct vkd_recipe usual;
    vkd_recipe_default(&usual);
    json_t *defaults = vkd__recipe_to_json(&usual);     // of keys that did not exist when the run began
    const char *found = NULL;
    for (uint32_t i = 0; !found && (f = vkd_recipe_field_at(i)); i++) {
        json_t *a = find_key(old, f->key), *b = find_key(now, f->key);
        if (is_free(f->key) || is_idle(f->key, old, now) || json_equal(a ? a : find_key(defaults, f->key), b))
            continue;
        tell_difference(f->key, a, b, text, size);
        found = f->key;
    }
    json_decref(defaults);
    return found;
}

// ---- run.json ----

vkd_result vkd__run_json_write(const char *dir, const struct vkd_log *log, json_t *run)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/run.json", dir);
    return vkd__json_save(path, run, log, VKD_LOG_ERROR);
}

vkd_result vkd__run_json_read(const char *dir, const struct vkd_log *log, json_t **out)
{
    char path[4096];
    struct vkd__why why;
    uint8_t *data;
    uint64_t size;
    json_error_t error;
    snprintf(path, sizeof(path), "%s/run.json", dir);
    vkd_result r = vkd__file_read(path, 64 << 20, &data, &size, &why);
    if (r < 0) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s", why.text);
        return r;
    }
    *out = json_loadb((const char *) data, size, JSON_REJECT_DUPLICATES, &error);
    free(data);
    if (json_is_object(*out))
        return VKD_OK;
    vkd_log_write(log, VKD_LOG_ERROR, "%s is not the run.json of a run: line %d: %s", path, error.line, error.text);
    json_decref(*out);
    *out = NULL;
    return VKD_FORMAT;
}

bool vkd_train_is_complete(const struct vkd_recipe *recipe, const char *dir)
{
    char path[4096], text[512];
    struct vkd_recipe resolved = *recipe;
    json_t *run = NULL;
    snprintf(path, sizeof(path), "%s/run.json", dir);
    if (vkd__path_kind(path, NULL, NULL) != VKD__PATH_FILE || vkd__run_json_read(dir, NULL, &run) != VKD_OK)
        return false;
    snprintf(path, sizeof(path), "%s/last.safetensors", dir);
    vkd_recipe_resolve(&resolved);
    json_t *now = vkd__recipe_to_json(&resolved), *old = json_object_get(run, "recipe");
    bool complete = now && vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE &&
                    json_is_true(json_object_get(json_object_get(run, "results"), "complete")) &&
                    json_equal(json_object_get(old, "steps"), json_object_get(now, "steps")) &&
                    !vkd__recipe_difference(old, now, text, sizeof(text));
    json_decref(now);
    json_decref(run);
    return complete;
}

// ---- metrics.jsonl ----

struct vkd__metrics_log {
    FILE *file;
    struct vkd_log log;
    char path[4096];
};

static bool is_event(const json_t *event, const char *name)
{
    const char *text = json_string_value(json_object_get(event, "event"));
    return text && !strcmp(text, name);
}

// Rewrites the file without the events after step `keep`, the evaluations after step `evaluated`, phases that begin
// with the step that comes next, and a torn last line.
static vkd_result drop_later(const char *path, const struct vkd_log *log, int64_t keep, int64_t evaluated)
{
    struct vkd__why why;
    uint8_t *data;
    uint64_t size, kept = 0;
    if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_NONE)
        return VKD_OK;
    vkd_result r = vkd__file_read(path, UINT64_C(1) << 32, &data, &size, &why);
    for (uint64_t at = 0; r == VKD_OK && at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        uint64_t length = end ? (uint64_t) (end - (data + at)) + 1 : 0;
        if (!length)
            break;
        json_t *event = json_loadb((const char *) data + at, length, 0, NULL);
        json_t *step = json_object_get(event, "step");
        int64_t last = is_event(event, "eval") ? evaluated : is_event(event, "inject") ? keep - 1 : keep;
        if (json_is_integer(step) && json_integer_value(step) <= last && !is_event(event, "end")) {
            memmove(data + kept, data + at, length);
            kept += length;
        }
        json_decref(event);
        at += length;
    }
    if (r == VKD_OK) {
        r = vkd__file_replace(path, data, kept, &why);
        free(data);
    }
    if (r < 0)
        vkd_log_write(log, VKD_LOG_ERROR, "%s", why.text);
    return r;
}

vkd_result vkd__metrics_open(const char *dir, const struct vkd_log *log, int64_t keep_steps, int64_t evaluated,
                             vkd__metrics_log **out)
{
    vkd__metrics_log *m = calloc(1, sizeof(*m));
    if (!m)
        return VKD_NO_MEMORY;
    m->log = *log;
    snprintf(m->path, sizeof(m->path), "%s/metrics.jsonl", dir);
    vkd_result r = keep_steps >= 0 ? drop_later(m->path, log, keep_steps, evaluated) : VKD_OK;
    if (r == VKD_OK && !(m->file = fopen(m->path, keep_steps >= 0 ? "a" : "w"))) {
        vkd_log_write(log, VKD_LOG_ERROR, "cannot write %s: %s", m->path, strerror(errno));
        r = VKD_IO;
    }
    if (r < 0)
        vkd__metrics_close(&m);
    else
        *out = m;
    return r;
}

vkd_result vkd__metrics_write(vkd__metrics_log *m, json_t *event)
{
    char *text = event ? json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(7)) : NULL;
    json_decref(event);
    if (!text)
        return VKD_NO_MEMORY;
    bool good = fputs(text, m->file) >= 0 && fputc('\n', m->file) >= 0 && fflush(m->file) == 0;
    free(text);
    if (good)
        return VKD_OK;
    vkd_log_write(&m->log, VKD_LOG_ERROR, "cannot write %s: %s; free some space and go on with --resume", m->path,
                  strerror(errno));
    return VKD_IO;
}

void vkd__metrics_close(vkd__metrics_log **pm)
{
    vkd__metrics_log *m = *pm;
    if (m && m->file)
        fclose(m->file);
    free(m);
    *pm = NULL;
}
