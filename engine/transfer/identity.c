// identity.c -- what a result depends on, as an object: its hash is the key, its settings are the line that people read.
#include "transfer_impl.h"

#include "../json.h"
#include "../model_file.h"
#include "../run_folder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

// ---- The line ---------------------------------------------------------------------------------

struct line {
    char *text;             // NULL after a failure
    size_t used, room;
};

VKD_PRINTF(2, 3) static void add(struct line *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (!l->text || n < 0)
        return;
    if (l->room - l->used <= (size_t) n) {
        l->room = 2 * l->room + (size_t) n;
        char *text = realloc(l->text, l->room);
        if (!text)
            free(l->text);
        l->text = text;
        if (!text)
            return;
    }
    va_start(args, format);
    l->used += (size_t) vsnprintf(l->text + l->used, l->room - l->used, format, args);
    va_end(args);
}

// As short as it can be and still the same number.
static void add_number(struct line *l, double value)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    add(l, "%s", text);
}

static void add_value(struct line *l, const json_t *value)
{
    if (json_is_string(value))
        add(l, "%s", json_string_value(value));
    else if (json_is_integer(value))
        add(l, "%lld", (long long) json_integer_value(value));
    else
        add_number(l, json_number_value(value));
}

static void add_member(struct line *l, const char *key, const json_t *value)
{
    const bool many = json_is_array(value), named = strcmp(key, "name") != 0;
    if (named)
        add(l, "%s", key);
    for (size_t i = 0; i < (many ? json_array_size(value) : 1); i++) {
        if (named || i)
            add(l, " ");
        add_value(l, many ? json_array_get(value, i) : value);
    }
}

char *vkd__settings_line(json_t *settings)
{
    struct line l = { .text = calloc(1, 512), .room = 512 };
    const char *group, *key, *between = "";
    json_t *members, *value;
    json_object_foreach(settings, group, members) {
        add(&l, "%s", between);
        between = "";
        json_object_foreach(members, key, value) {
            add(&l, "%s", between);
            add_member(&l, key, value);
            between = ", ";
        }
        between = "; ";
    }
    return l.text;
}

// ---- Settings ---------------------------------------------------------------------------------

static json_t *features_of(const struct vkd__transfer *t)
{
    const char *layer = t->p.layer ? t->p.layer : t->protocol->no_features ? NULL : "features";
    if (t->p.select)
        return json_pack("{s:s, s:f, s:o}", "checkpoint",
                         "chosen by logit(val) + lambda log(rankme / untrained rankme)", "lambda", t->p.lambda,
                         "layer", t->protocol->no_features ? json_string("all") : t->p.layer ? vkd__json_text(layer)
                                                                                             : json_string("chosen"));
    return json_pack("{s:o}", "layer", layer ? vkd__json_text(layer) : json_string("all"));
}

static json_t *val_of(const struct vkd__transfer *t)
{
    if (t->sets.val)
        return json_pack("{s:s}", "val", "of the set");
    return json_pack("{s:f, s:s, s:o}", "val", t->p.holdout, "of", "train", "seed",
                     json_sprintf("%llu", (unsigned long long) t->p.seed));
}

// In the order that people read.
static json_t *settings_of(const struct vkd__transfer *t)
{
    static const char *const kinds[VKD__METRIC_COUNT] = { NULL, NULL, "plain", "VOC 2007" };
    const char *kind = kinds[t->metric], *of = t->metric == VKD__METRIC_MAP11 ? "of sets of this size" : NULL;
    return json_pack("{s:o, s:o, s:o, s:{s:s, s:s*, s:s*}}", "protocol", t->protocol->settings(t), "features", features_of(t),
                     "val", val_of(t), "measure", "metric", vkd__metric_name(t->metric), "average precision", kind, "interval",
                     of);
}

vkd_result vkd__transfer_settle(struct vkd__transfer *t)
{
    t->settings = settings_of(t);
    t->text = t->settings ? vkd__settings_line(t->settings) : NULL;
    return t->text ? VKD_OK : VKD_NO_MEMORY;
}

// ---- The key ----------------------------------------------------------------------------------

static json_t *hex(uint64_t value)
{
    return json_sprintf("%016llx", (unsigned long long) value);
}

static json_t *floats(const float values[3])
{
    return json_pack("[f, f, f]", (double) values[0], (double) values[1], (double) values[2]);
}

vkd_result vkd__weights_identity(const char *path, bool partial, const struct vkd_log *log, struct vkd__weights_identity *out)
{
    struct vkd__model_file m;
    struct vkd__weights_identity w;
    vkd_result r = vkd__model_file_open(path, partial, log, &m);
    if (r < 0)
        return r;
    w.info = m.info;
    const bool timm = m.timm, told = m.told;
    vkd__model_file_close(&m);
    r = vkd_weights_hash(path, log, &w.hash);
    if (r < 0)
        return r;
    w.json = json_pack("{s:o, s:s, s:i, s:s, s:i, s:i, s:o, s:o, s:s}", "weights", hex(w.hash), "arch", w.info.arch, "width",
                       (int) w.info.width, "stem", w.info.cifar_stem ? "cifar" : "imagenet", "size", (int) w.info.size,
                       "channels", (int) w.info.channels, "mean", floats(w.info.mean), "std", floats(w.info.std), "names",
                       timm ? "timm" : "torchvision");
    if (!w.json)
        return VKD_NO_MEMORY;
    if (!told)
        vkd_log_write(log, VKD_LOG_WARNING, "%.300s does not say what images it takes: assumed are %ux%u and ImageNet's "
                      "normalisation", path, w.info.size, w.info.size);
    *out = w;
    return VKD_OK;
}

// The file, or all that are to be chosen from.
static vkd_result models_of(const struct vkd__transfer *t, json_t **out)
{
    struct vkd__weights_identity w;
    if (t->checkpoints) {
        *out = vkd__checkpoints_identity(t->checkpoints);
        return *out ? VKD_OK : VKD_NO_MEMORY;
    }
    vkd_result r = vkd__weights_identity(t->weights, t->p.partial, &t->log, &w);
    if (r == VKD_OK)
        *out = w.json;
    return r;
}

vkd_result vkd__transfer_identify(struct vkd__transfer *t)
{
    json_t *models = NULL;
    vkd_result r = models_of(t, &models);
    if (r < 0)
        return r;
    json_t *all = json_pack("{s:i, s:o, s:o, s:o, s:O}", "version", VKD__TRANSFER_VERSION, "models", models,
                            "data", hex(t->sets.fingerprint), "seed", hex(t->p.seed), "settings", t->settings);
    char *text = all ? json_dumps(all, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(all);
    if (!text)
        return VKD_NO_MEMORY;
    t->key = XXH3_64bits(text, strlen(text));
    free(text);
    return VKD_OK;
}
