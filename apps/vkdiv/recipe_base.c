// recipe_base.c -- recipe files and their bases: `base: NAME` or `base: [NAME, ...]` loads other files first, in order;
// what stands in the file itself wins.
//
// A NAME with a '/' or ".yaml" in it is a path relative to the file's folder. Any other is a part: parts/NAME.yaml
// beside the file, NAME.yaml beside a part, or among the shipped parts.
#include "apps/vkdiv/recipe_impl.h"

#include "engine/suggest.h"
#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { BASE_MAX = 16, NAME_MAX_SIZE = 128 };

// The bases that a file names.
struct bases {
    struct place at;
    uint32_t count;
    char names[BASE_MAX][NAME_MAX_SIZE];
};

// One file on the way from the recipe to its base's base.
struct link {
    const struct link *from;        // NULL: the recipe itself
    const char *path;
};

static vkd_result add_name(struct loader *l, const yaml_node_t *node, struct bases *out)
{
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.length == 0)
        return recipe_refuse(l, VKD_FORMAT, &out->at, "base: expected a name or a list of names, found something else");
    if (node->data.scalar.length >= NAME_MAX_SIZE || out->count == BASE_MAX)
        return recipe_refuse(l, VKD_FORMAT, &out->at, "base: expected at most %d names of at most %d characters", BASE_MAX,
                             NAME_MAX_SIZE - 1);
    memcpy(out->names[out->count++], node->data.scalar.value, node->data.scalar.length + 1);
    return VKD_OK;
}

// Reads `base` alone; whatever else is wrong with the text is said when it is loaded.
static vkd_result read_bases(struct loader *l, const uint8_t *text, size_t size, struct bases *out)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    *out = (struct bases){ .at.source = l->source };
    if (!yaml_parser_initialize(&parser))
        return recipe_refuse(l, VKD_NO_MEMORY, NULL, "out of memory");
    yaml_parser_set_input_string(&parser, text, size);
    if (!yaml_parser_load(&parser, &doc)) {
        yaml_parser_delete(&parser);
        return VKD_OK;
    }
    vkd_result r = VKD_OK;
    const yaml_node_t *root = yaml_document_get_root_node(&doc);
    bool map = root != NULL && root->type == YAML_MAPPING_NODE;
    for (yaml_node_pair_t *p = map ? root->data.mapping.pairs.start : NULL; map && p < root->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(&doc, p->key), *value = yaml_document_get_node(&doc, p->value);
        if (key->type != YAML_SCALAR_NODE || strcmp((const char *)key->data.scalar.value, "base") != 0)
            continue;
        out->at.line = (uint32_t)key->start_mark.line + 1;
        out->at.column = (uint32_t)key->start_mark.column + 1;
        if (value->type != YAML_SEQUENCE_NODE) {
            r = add_name(l, value, out);
            break;
        }
        for (yaml_node_item_t *i = value->data.sequence.items.start; r == VKD_OK && i < value->data.sequence.items.top; i++)
            r = add_name(l, yaml_document_get_node(&doc, *i), out);
        break;
    }
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    return r;
}

// ---- Finding -----------------------------------------------------------------------------------

// Whether there is a file called FOLDER MIDDLE NAME END; `path`, of `size` bytes, gets its path.
static bool is_file(char *path, size_t size, int folder_size, const char *folder, const char *middle, const char *name,
                    const char *end)
{
    int length = snprintf(path, size, "%.*s%s%s%s", folder_size, folder, middle, name, end);
    return (size_t)length < size && vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE;
}

// The folder of a file, with its last '/'; "" for the current one.
static int folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? (int)(slash - path + 1) : 0;
}

static vkd_result refuse_part(struct loader *l, const struct bases *b, const char *name, const char *dir)
{
    char **names = NULL;
    uint32_t count = 0;
    const char *near = recipe_stems(dir, &names, &count) ? vkd__suggest(name, (const char *const *)names, count) : NULL;
    vkd_result r = recipe_refuse(l, VKD_IO, &b->at, "base: there is no part '%s'%s%s%s (parts are the files of %s; a path has a "
                                 "'/' or ends in .yaml)", name, near ? "; did you mean '" : "", near ? near : "",
                                 near ? "'?" : "", dir);
    free(names);
    return r;
}

static vkd_result find_base(struct loader *l, const struct bases *b, const char *name, const char *from, char *path, size_t size)
{
    size_t length = strlen(name);
    int folder = folder_of(from);
    bool is_path = strchr(name, '/') != NULL;
    while (strncmp(name, "./", 2) == 0)         // that a file which names itself is found out by its path
        name += 2;
    if (is_path || (length > 5 && strcmp(name + strlen(name) - 5, ".yaml") == 0)) {
        if (is_file(path, size, name[0] == '/' ? 0 : folder, from, "", name, ""))
            return VKD_OK;
        return recipe_refuse(l, VKD_IO, &b->at, "base: there is no file %s", path);
    }
    char dir[512], known[520] = "parts";
    bool inside = folder >= 6 && strncmp(from + folder - 6, "parts/", 6) == 0;
    if (is_file(path, size, folder, from, inside ? "" : "parts/", name, ".yaml"))
        return VKD_OK;
    for (uint32_t i = 0; recipe_dir(i, dir, sizeof dir); i++) {
        if (is_file(path, size, (int)strlen(dir), dir, "/parts/", name, ".yaml"))
            return VKD_OK;
        if (strchr(known, '/') == NULL && vkd__path_kind(dir, NULL, NULL) == VKD__PATH_DIR)
            snprintf(known, sizeof known, "%s/parts", dir);
    }
    return refuse_part(l, b, name, known);
}

// ---- Loading -----------------------------------------------------------------------------------

static vkd_result load(struct loader *l, const struct link *link, uint32_t depth);

static vkd_result load_bases(struct loader *l, const struct bases *b, const struct link *link, uint32_t depth)
{
    for (uint32_t i = 0; i < b->count; i++) {
        char path[1024];
        vkd_result r = find_base(l, b, b->names[i], link->path, path, sizeof path);
        if (r != VKD_OK)
            return r;
        for (const struct link *f = link; f != NULL; f = f->from)
            if (strcmp(f->path, path) == 0)
                return recipe_refuse(l, VKD_FORMAT, &b->at, "base: '%s' leads back to %s itself", b->names[i], path);
        if (depth == RECIPE_DEPTH_MAX)
            return recipe_refuse(l, VKD_FORMAT, &b->at, "base: expected bases of bases to be at most %d deep", depth);
        r = load(l, &(struct link){ link, path }, depth + 1);
        if (r != VKD_OK)
            return r;
    }
    return VKD_OK;
}

static vkd_result load(struct loader *l, const struct link *link, uint32_t depth)
{
    uint8_t *text = NULL;
    uint64_t size;
    struct bases bases;
    struct vkd__why why;
    vkd_result r = vkd__file_read(link->path, 1 << 20, &text, &size, &why);
    if (r != VKD_OK) {
        snprintf(l->why, l->why_size, "%s", why.text);
        return r;
    }
    const char *source = NULL;
    l->source = link->path;
    if (l->source_count == RECIPE_FILE_MAX)
        r = recipe_refuse(l, VKD_FORMAT, NULL, "expected a recipe of at most %d files", RECIPE_FILE_MAX);
    if (r == VKD_OK) {
        snprintf(l->sources[l->source_count], sizeof l->sources[0], "%s", link->path);
        l->source = source = l->sources[l->source_count++];
        r = read_bases(l, text, size, &bases);
    }
    if (r == VKD_OK)
        r = load_bases(l, &bases, link, depth);
    if (r == VKD_OK) {
        l->source = source;
        r = recipe_load_text(l, (const char *)text, size);
    }
    free(text);
    return r;
}

vkd_result recipe_load_file(struct loader *l, const char *path)
{
    return load(l, &(struct link){ NULL, path }, 0);
}
