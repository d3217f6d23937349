// run_folder.c -- what a run's folder stands for.
#include "run_folder.h"

#include "json.h"
#include "train/run_files.h"

#include <vkdiv/weights.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { ANCESTORS_MAX = 16, PATH_SIZE = 4096 };

// ---- Results ----

vkd_result vkd__results_check(const char *dir, struct vkd__why *why)
{
    char path[PATH_SIZE + 16];
    const bool fresh = vkd__path_kind(dir, NULL, NULL) == VKD__PATH_NONE;
    snprintf(path, sizeof(path), "%.4000s/transfer", dir);
    vkd_result r = vkd__dir_create(path, why);
    if (r == VKD_OK)
        r = vkd__dir_writable(path, why);
    vkd__dir_remove_empty(path);
    if (fresh)
        vkd__dir_remove_empty(dir);
    return r;
}

// ---- Weights ----

bool vkd__run_is_validated(const char *dir)
{
    char path[4096];
    struct vkd__why why;
    snprintf(path, sizeof(path), "%.4000s/run.json", dir);
    json_t *run = vkd__json_load(path, &why);
    const json_t *test = json_object_get(json_object_get(run, "data"), "test");
    const char *split = json_string_value(json_object_get(test, "split"));
    const bool validated = split && !strcmp(split, "val");
    json_decref(run);
    return validated;
}

void vkd__model_path(const char *path, char *out, size_t size)
{
    if (vkd__path_kind(path, NULL, NULL) != VKD__PATH_DIR) {
        snprintf(out, size, "%s", path);
        return;
    }
    snprintf(out, size, "%s/best.safetensors", path);
    if (!vkd__run_is_validated(path) || vkd__path_kind(out, NULL, NULL) == VKD__PATH_NONE)
        snprintf(out, size, "%s/last.safetensors", path);
}

vkd_result vkd__run_weights(const char *dir, const struct vkd_log *log, char path[4096], char hash[17])
{
    uint64_t value;
    hash[0] = 0;
    vkd__model_path(dir, path, 4096);
    if (vkd__path_kind(path, NULL, NULL) != VKD__PATH_FILE)
        return VKD_OK;
    vkd_result r = vkd_weights_hash(path, log, &value);
    if (r == VKD_NO_MEMORY)
        return r;
    if (r == VKD_OK)
        snprintf(hash, 17, "%016" PRIx64, value);
    else
        vkd_log_write(log, VKD_LOG_WARNING, "%.600s cannot be read: nothing can be computed of it", path);
    return VKD_OK;
}

bool vkd__is_of_weights(const json_t *result, const char *hash)
{
    const char *of = json_string_value(json_object_get(json_object_get(result, "model"), "weights_hash"));
    return json_integer_value(json_object_get(result, "version")) == VKD__TRANSFER_VERSION &&
           (!hash[0] || !of || !strcmp(of, hash));
}

// ---- Recipes ----

static vkd_result hash_recipe(const json_t *run, const struct vkd_log *log, uint32_t depth, uint64_t *out);

// The run.json of the folder that holds `path`, `above` folders up, and the file's name in there; NULL: there is none.
static json_t *open_holder(const char *path, uint32_t above, const char **name)
{
    char dir[PATH_SIZE];
    struct vkd__why why;
    snprintf(dir, sizeof(dir), "%.4000s", path);
    *name = path;
    for (uint32_t i = 0; i <= above; i++) {
        char *slash = strrchr(dir, '/');
        if (!slash && i)
            return NULL;
        *name = slash ? path + (slash - dir) + 1 : path;
        if (slash)
            *slash = 0;
        else
            snprintf(dir, sizeof(dir), ".");
    }
    strncat(dir, "/run.json", sizeof(dir) - strlen(dir) - 1);
    return vkd__json_load(dir, &why);
}

// What the file that a run starts from stands for.
static vkd_result describe_start(const char *init, const struct vkd_log *log, uint32_t depth, char *text, size_t size)
{
    const struct vkd_log quiet = { .fn = NULL };
    const char *name = init;
    uint64_t hash;
    json_t *holder = NULL;
    text[0] = 0;
    for (uint32_t above = 0; !holder && above < 2; above++)     // RUN/last.safetensors, RUN/checkpoints/epoch-0001...
        holder = open_holder(init, above, &name);
    if (json_is_object(json_object_get(holder, "recipe")) && depth < ANCESTORS_MAX) {
        vkd_result r = hash_recipe(holder, log, depth + 1, &hash);
        if (r == VKD_OK)
            snprintf(text, size, "%.200s of %016" PRIx64, name, hash);
        json_decref(holder);
        return r;
    }
    json_decref(holder);
    vkd_result r = vkd_weights_hash(init, &quiet, &hash);
    if (r == VKD_OK)
        snprintf(text, size, "weights %016" PRIx64, hash);
    else if (r != VKD_NO_MEMORY)
        vkd_log_write(log, VKD_LOG_WARNING, "%.600s is gone, from which a run started: it is taken for the same recipe as "
                      "runs that differ from it in nothing else", init);
    return r == VKD_NO_MEMORY ? r : VKD_OK;
}

// A set is what it holds, wherever it lies; without a fingerprint its SPEC must do.
static const char *describe_set(const json_t *run, const char *which, const char *spec, char text[64])
{
    const json_t *set = json_object_get(json_object_get(run, "data"), which);
    const char *fingerprint = json_string_value(json_object_get(set, "fingerprint"));
    snprintf(text, 64, "set %.40s", fingerprint ? fingerprint : "");
    return fingerprint ? text : spec;
}

static vkd_result hash_recipe(const json_t *run, const struct vkd_log *log, uint32_t depth, uint64_t *out)
{
    struct vkd_recipe recipe, usual;
    char start[256], train[64], test[64];
    vkd_recipe_default(&usual);
    recipe = usual;                 // a key that run.json lacks is younger than the run
    vkd__recipe_from_json(json_object_get(run, "recipe"), &recipe);
    if (!recipe.crops.count)
        recipe.crops = usual.crops; // of which there are none
    if (recipe.init) {
        vkd_result r = describe_start(recipe.init, log, depth, start, sizeof(start));
        if (r < 0)
            return r;
        recipe.init = start;
    }
    recipe.seed = 0;
    recipe.eval_every = recipe.checkpoint_minutes = recipe.keep_every = 0;
    recipe.data.threads = recipe.data.bad_limit = 0;
    recipe.data.train = describe_set(run, "train", recipe.data.train, train);
    recipe.data.test = describe_set(run, "test", recipe.data.test, test);
    json_t *json = vkd__recipe_to_json(&recipe);
    char *text = json ? json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (!text)
        return VKD_NO_MEMORY;
    *out = XXH3_64bits(text, strlen(text));
    free(text);
    return VKD_OK;
}

vkd_result vkd__run_recipe(const json_t *run, const struct vkd_log *log, uint64_t *out)
{
    return hash_recipe(run, log, 0, out);
}
