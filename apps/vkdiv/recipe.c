// recipe.c -- recipes found by name or path, loaded and checked, and the list of shipped ones.
#include "apps/vkdiv/recipe_impl.h"

#include "engine/suggest.h"
#include "engine/train/run_files.h"
#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Shipped recipes ---------------------------------------------------------------------------

bool recipe_dir(uint32_t index, char *dir, size_t size)
{
    char *slash;
    if (index > 1)
        return false;
    snprintf(dir, size, "%s", VKD_RECIPE_DIR);      // where they were to be installed
    if (index == 1)
        return true;
    // Beside the program first, so that an installation may be moved, and for the build folder: PREFIX/bin/vkdiv,
    // PREFIX/share/vkdiv/recipes.
    vkd__os_program_path(dir, size);
    for (int i = 0; i < 2 && (slash = strrchr(dir, '/')) != NULL; i++)
        *slash = 0;
    size_t length = strlen(dir);
    snprintf(dir + length, size - length, "/share/vkdiv/recipes");
    return true;
}

bool recipe_stems(const char *dir, char ***names, uint32_t *count)
{
    struct vkd__why why;
    uint32_t kept = 0;
    if (vkd__dir_list(dir, names, count, &why) != VKD_OK)
        return false;
    for (uint32_t i = 0; i < *count; i++) {
        size_t length = strlen((*names)[i]);
        if (length <= 5 || strcmp((*names)[i] + length - 5, ".yaml") != 0)
            continue;
        (*names)[i][length - 5] = 0;
        (*names)[kept++] = (*names)[i];
    }
    *count = kept;
    return true;
}

// The first of the folders that is there, or "".
static void shipped_dir(char *dir, size_t size)
{
    for (uint32_t i = 0; recipe_dir(i, dir, size); i++)
        if (vkd__path_kind(dir, NULL, NULL) == VKD__PATH_DIR)
            return;
    dir[0] = 0;
}

// The first line of a file, without "# ", where it is a comment.
static void read_title(const char *path, char *text, size_t size)
{
    uint8_t *data = NULL;
    uint64_t length;
    struct vkd__why why;
    text[0] = 0;
    if (vkd__file_read(path, 1 << 20, &data, &length, &why) != VKD_OK)
        return;
    size_t ofs = length > 1 && data[0] == '#' ? 1u + (data[1] == ' ') : length, end = ofs;
    while (end < length && data[end] != '\n')
        end++;
    snprintf(text, size, "%.*s", (int)(end - ofs), (const char *)data + ofs);
    free(data);
}

vkd_result recipe_each(void (*found)(void *user, const char *name, const char *title), void *user, char *why,
                       size_t why_size)
{
    char dir[512], path[1100], title[256], **names = NULL;
    uint32_t count;
    shipped_dir(dir, sizeof dir);
    if (dir[0] == 0 || !recipe_stems(dir, &names, &count)) {
        snprintf(why, why_size, "the shipped recipes are neither in share/vkdiv/recipes beside the program's folder nor in %s",
                 VKD_RECIPE_DIR);
        return VKD_IO;
    }
    for (uint32_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s.yaml", dir, names[i]);
        read_title(path, title, sizeof title);
        found(user, names[i], title);
    }
    free(names);
    return VKD_OK;
}

// ---- Finding -----------------------------------------------------------------------------------

static void set_name(struct recipe_file *f)
{
    const char *slash = strrchr(f->path, '/');
    snprintf(f->name, sizeof f->name, "%.60s", slash != NULL ? slash + 1 : f->path);
    char *dot = strrchr(f->name, '.');
    if (dot != NULL && dot != f->name)
        *dot = 0;
}

// Says that there is no such recipe, and the nearest of the shipped ones.
static vkd_result refuse_name(struct loader *l, const char *name)
{
    char **names = NULL, dir[512], stem[64];
    uint32_t count = 0;
    l->source = name;
    shipped_dir(dir, sizeof dir);
    if (dir[0] == 0 || !recipe_stems(dir, &names, &count))
        return recipe_refuse(l, VKD_IO, NULL, "no such recipe file");
    const char *slash = strrchr(name, '/');
    snprintf(stem, sizeof stem, "%.63s", slash != NULL ? slash + 1 : name);
    stem[strcspn(stem, ".")] = 0;
    const char *near = vkd__suggest(stem, (const char *const *)names, count);
    vkd_result r = recipe_refuse(l, VKD_IO, NULL, "no such recipe file or shipped recipe%s%s%s (vkdiv train --list names "
                                 "the %u shipped ones)", near ? "; did you mean '" : "", near ? near : "",
                                 near ? "'?" : "", count);
    free(names);
    return r;
}

static vkd_result find(struct loader *l, const char *name)
{
    char *path = l->file->path, dir[512];
    size_t size = sizeof l->file->path;
    snprintf(path, size, "%s", name);
    if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE)
        return VKD_OK;
    const char *end = strlen(name) > 5 && strcmp(name + strlen(name) - 5, ".yaml") == 0 ? "" : ".yaml";
    for (uint32_t i = 0; strchr(name, '/') == NULL && recipe_dir(i, dir, sizeof dir); i++) {
        snprintf(path, size, "%s/%s%s", dir, name, end);
        if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE)
            return VKD_OK;
    }
    return refuse_name(l, name);
}

// ---- The whole ---------------------------------------------------------------------------------

// Puts the place of the key that vkd_recipe_check's text begins with before it.
static vkd_result check(struct loader *l)
{
    char text[512];
    if (vkd_recipe_check(&l->file->recipe, text, sizeof text) == VKD_OK)
        return VKD_OK;
    char key[48];
    snprintf(key, sizeof key, "%.*s", (int)strspn(text, "abcdefghijklmnopqrstuvwxyz_.0123456789"), text);
    const struct place *at = recipe_place(l, key);
    if (at == NULL && strcmp(key, "augment.name") == 0)
        at = recipe_place(l, "augment");
    l->source = l->file->path;
    l->override = false;
    return recipe_refuse(l, VKD_INVALID, at, "%s", text);
}

static void keep_reason(void *user, enum vkd_log_level level, const char *text)
{
    (void)level;
    snprintf(user, 512, "%s", text);
}

// The recipe of a run, as it was resolved.
static vkd_result take_run(const char *dir, struct recipe_file *out, char *why, size_t why_size)
{
    char reason[512] = "";
    const struct vkd_log log = { .fn = keep_reason, .user = reason };
    snprintf(out->path, sizeof out->path, "%.1000s/run.json", dir);
    set_name(out);
    vkd_result r = vkd__run_json_read(dir, &log, &out->run);
    json_t *recipe = json_object_get(out->run, "recipe");
    if (r == VKD_OK && !json_is_object(recipe)) {
        snprintf(reason, sizeof reason, "%.400s has no recipe", out->path);
        r = VKD_FORMAT;
    }
    if (r == VKD_OK)
        vkd__recipe_from_json(recipe, &out->recipe);
    else
        snprintf(why, why_size, "%s", reason);
    return r;
}

vkd_result recipe_load(const struct recipe_params *p, struct recipe_file *out, char *why, size_t why_size)
{
    *out = (struct recipe_file){ 0 };
    struct loader *l = calloc(1, sizeof *l);
    vkd_result r = VKD_NO_MEMORY;
    snprintf(why, why_size, "out of memory");
    out->schema = calloc(1, sizeof *out->schema);
    out->documents = calloc(p->set_count + RECIPE_FILE_MAX, sizeof *out->documents);
    if (l == NULL || out->schema == NULL || out->documents == NULL)
        goto done;
    *l = (struct loader){ .file = out, .why = why, .why_size = why_size };
    vkd_recipe_default(&out->recipe);
    recipe_schema_build(out->schema);

    r = p->name != NULL ? find(l, p->name) : VKD_OK;
    if (r != VKD_OK)
        goto done;
    if (p->name != NULL) {
        set_name(out);
        r = recipe_load_file(l, out->path);
    } else if (p->run != NULL) {
        r = take_run(p->run, out, why, why_size);
    } else {
        snprintf(out->path, sizeof out->path, "the defaults");
    }
    l->override = true;
    for (uint32_t i = 0; r == VKD_OK && i < p->set_count; i++)
        r = recipe_load_override(l, p->sets[i]);
    if (r == VKD_OK)
        r = check(l);
done:
    free(l);
    if (r != VKD_OK)
        recipe_finish(out);
    return r;
}

void recipe_finish(struct recipe_file *f)
{
    cyaml_config_t config = { .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR };
    for (uint32_t i = 0; i < f->document_count; i++)
        (void)cyaml_free(&config, &f->documents[i].root, f->documents[i].values, 0);
    free(f->documents);
    free(f->schema);
    json_decref(f->run);
    *f = (struct recipe_file){ 0 };
}
