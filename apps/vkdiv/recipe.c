// recipe.c -- YAML recipes, read by libcyaml through a schema made from the engine's table of keys.
#include "apps/vkdiv/recipe.h"

#include "engine/suggest.h"
#include "runtime/os.h"

#include <cyaml/cyaml.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

// ---- Schema ------------------------------------------------------------------------------------

enum { KEY_MAX = 64, SECTION_MAX = 16, SECTION_KEY_MAX = 32 };

// libcyaml's schema, made from the engine's table of keys. What it fills is an array of pointers,
// one per key, NULL where the text does not have it.
struct recipe_schema {
    uint32_t count;
    char names[SECTION_MAX][16];
    cyaml_schema_field_t top[KEY_MAX];          // sections and keys outside of them
    cyaml_schema_field_t sections[SECTION_MAX][SECTION_KEY_MAX];
};

// One loaded YAML text, and the schema that libcyaml frees it with.
struct recipe_document {
    void **values;
    cyaml_schema_field_t top[KEY_MAX];
    cyaml_schema_value_t root;
};

static const cyaml_strval_t bool_words[] = {
    { "true", 1 }, { "false", 0 }, { "yes", 1 }, { "no", 0 }, { "on", 1 }, { "off", 0 },
};
static const cyaml_schema_value_t float_entry = { CYAML_VALUE_FLOAT(CYAML_FLAG_DEFAULT, float) };

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static cyaml_schema_value_t value_of(enum vkd_recipe_kind kind)
{
#define VALUE(...) (cyaml_schema_value_t){ __VA_ARGS__ }
    switch (kind) {
    case VKD_RECIPE_F32:   return VALUE(CYAML_VALUE_FLOAT(OPTIONAL, float));
    case VKD_RECIPE_F32X2:
    case VKD_RECIPE_F32X3:
    case VKD_RECIPE_F32X4: return VALUE(CYAML_VALUE_SEQUENCE_FIXED(OPTIONAL, float, &float_entry, vkd_recipe_floats(kind)));
    case VKD_RECIPE_U32:
    case VKD_RECIPE_U64:   return VALUE(CYAML_VALUE_INT(OPTIONAL, int64_t));
    case VKD_RECIPE_BOOL:  return VALUE(CYAML_VALUE_ENUM(OPTIONAL | CYAML_FLAG_STRICT, int, bool_words,
                                                         CYAML_ARRAY_LEN(bool_words)));
    default:               return VALUE(CYAML_VALUE_STRING(OPTIONAL, char, 0, CYAML_UNLIMITED));
    }
#undef VALUE
}

static cyaml_schema_field_t *field_of(cyaml_schema_field_t *fields, const char *key, size_t length)
{
    for (; fields->key != NULL; fields++)
        if (strlen(fields->key) == length && memcmp(fields->key, key, length) == 0)
            return fields;
    return NULL;
}

// The keys of a section; libcyaml has them const.
static cyaml_schema_field_t *keys_of(const cyaml_schema_field_t *section)
{
    return (cyaml_schema_field_t *)section->value.mapping.fields;
}

static void build_schema(struct recipe_schema *s)
{
    const struct vkd_recipe_field *f;
    uint32_t top = 0, sections = 0, used = 0;
    for (; (f = vkd_recipe_field_at(s->count)) != NULL; s->count++) {
        const char *dot = strchr(f->key, '.');
        cyaml_schema_field_t *to = &s->top[top];
        if (dot != NULL) {
            // Keys of a section follow each other in the table.
            if (sections == 0 || strncmp(s->names[sections - 1], f->key, (size_t)(dot - f->key)) != 0) {
                snprintf(s->names[sections], sizeof s->names[sections], "%.*s", (int)(dot - f->key), f->key);
                to->key = s->names[sections];
                to->value = (cyaml_schema_value_t){
                    CYAML_VALUE_MAPPING(CYAML_FLAG_OPTIONAL, void *, s->sections[sections])
                };
                top++;
                sections++;
                used = 0;
            }
            to = &s->sections[sections - 1][used++];
        } else {
            top++;
        }
        to->key = dot != NULL ? dot + 1 : f->key;
        to->data_offset = s->count * (uint32_t)sizeof(void *);
        to->value = value_of(f->kind);
    }
}

// ---- Loading -----------------------------------------------------------------------------------

#define PLACE_MAX 256

// Where a key was given, for messages.
struct place {
    char key[48];
    const char *source;         // a file's path, or an override
    uint32_t line, column;      // from 1; line 0: of an override
    char value[64];
};

struct loader {
    struct recipe_file *file;
    char *why;
    size_t why_size;
    const char *source;
    bool override;
    struct place places[PLACE_MAX];
    uint32_t place_count;
    char bad_key[96];           // from libcyaml's backtrace, innermost key last
    char reason[160];           // libcyaml's first message
};

static void VKD_PRINTF(2, 0) write_why(struct loader *l, const char *format, va_list args)
{
    size_t used = strlen(l->why);
    vsnprintf(l->why + used, l->why_size - used, format, args);
}

// Says why at a place; `at` NULL: in no special place.
static vkd_result VKD_PRINTF(4, 5) refuse(struct loader *l, vkd_result result, const struct place *at,
                                           const char *format, ...)
{
    if (at != NULL && at->line != 0)
        snprintf(l->why, l->why_size, "%s:%u:%u: ", at->source, at->line, at->column);
    else if (at != NULL || l->override)
        snprintf(l->why, l->why_size, "--set %.200s: ", at != NULL ? at->source : l->source);
    else
        snprintf(l->why, l->why_size, "%s: ", l->source);
    va_list args;
    va_start(args, format);
    write_why(l, format, args);
    va_end(args);
    return result;
}

// The last place where `key` was given, or NULL.
static const struct place *place_of(const struct loader *l, const char *key)
{
    for (uint32_t i = l->place_count; i-- > 0;)
        if (strcmp(l->places[i].key, key) == 0)
            return &l->places[i];
    return NULL;
}

// The field of a key path such as "optimizer.lr", or NULL.
static cyaml_schema_field_t *field_of_path(struct loader *l, const char *path)
{
    const char *dot = strchr(path, '.');
    cyaml_schema_field_t *top = field_of(l->file->schema->top, path, dot != NULL ? (size_t)(dot - path) : strlen(path));
    if (dot == NULL || top == NULL)
        return top;
    return top->value.type == CYAML_MAPPING ? field_of(keys_of(top), dot + 1, strlen(dot + 1)) : NULL;
}

static const char *expected_text(const cyaml_schema_field_t *field)
{
    switch (field->value.type) {
    case CYAML_STRING:         return "a text";
    case CYAML_FLOAT:          return "a number";
    case CYAML_INT:            return "a whole number";
    case CYAML_ENUM:           return "true or false";
    case CYAML_SEQUENCE_FIXED: return field->value.sequence.max == 2 ? "a list of 2 numbers" :
                                      field->value.sequence.max == 3 ? "a list of 3 numbers" : "a list of 4 numbers";
    default:                   return "keys of its own, indented below it";
    }
}

// Writes the key meant by `key` inside `section` (or "" at the top) to `text`: the same name in
// another section, else the nearest of this one. "" when nothing is near.
static void suggest_key(struct loader *l, const char *section, cyaml_schema_field_t *fields, const char *key,
                        char *text, size_t size)
{
    text[0] = 0;
    if (field_of(l->file->schema->top, key, strlen(key)) != NULL) {
        snprintf(text, size, "; did you mean the top-level key '%s'?", key);
        return;
    }
    for (cyaml_schema_field_t *s = l->file->schema->top; s->key != NULL; s++)
        if (s->value.type == CYAML_MAPPING && field_of(keys_of(s), key, strlen(key)) != NULL) {
            snprintf(text, size, "; did you mean '%s.%s'?", s->key, key);
            return;
        }
    const char *names[32];
    size_t count = 0;
    for (; fields->key != NULL && count < 32; fields++)
        names[count++] = fields->key;
    const char *near = vkd__suggest(key, names, count);
    if (near != NULL)
        snprintf(text, size, "; did you mean '%s%s%s'?", section, section[0] ? "." : "", near);
}

static void write_value(yaml_document_t *doc, const yaml_node_t *node, char *text, size_t size)
{
    if (node->type == YAML_SCALAR_NODE) {
        snprintf(text, size, "'%s'", (const char *)node->data.scalar.value);
    } else if (node->type == YAML_MAPPING_NODE) {
        snprintf(text, size, "keys");
    } else {
        size_t used = (size_t)snprintf(text, size, "[");
        for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
            const yaml_node_t *item = yaml_document_get_node(doc, *i);
            const char *word = item->type == YAML_SCALAR_NODE ? (const char *)item->data.scalar.value : "...";
            if (used < size)
                used += (size_t)snprintf(text + used, size - used, "%s%s", used > 1 ? ", " : "", word);
        }
        if (used < size)
            snprintf(text + used, size - used, "]");
    }
}

// libcyaml takes "1.5" for the whole number 1 and "3x" for 3; this does not.
static bool fits(yaml_document_t *doc, const yaml_node_t *node, enum cyaml_type type)
{
    if (node->type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
            if (!fits(doc, yaml_document_get_node(doc, *i), CYAML_FLOAT))
                return false;
        return true;
    }
    if (node->type != YAML_SCALAR_NODE || (type != CYAML_INT && type != CYAML_FLOAT))
        return true;
    const char *text = (const char *)node->data.scalar.value;
    char *end;
    if (type == CYAML_INT)
        (void)strtoll(text, &end, 10);
    else
        (void)strtof(text, &end);
    return end != text && *end == 0;
}

// Notes where each key of a mapping stands and refuses unknown and repeated ones: libcyaml's own
// message about them does not know their line.
static vkd_result walk(struct loader *l, yaml_document_t *doc, const yaml_node_t *map,
                       cyaml_schema_field_t *fields, const char *section)
{
    uint32_t first = l->place_count;
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(doc, p->key);
        const yaml_node_t *value = yaml_document_get_node(doc, p->value);
        struct place at = { .source = l->source, .line = (uint32_t)key->start_mark.line + 1,
                            .column = (uint32_t)key->start_mark.column + 1 };
        if (l->override)
            at.line = 0;
        if (key->type != YAML_SCALAR_NODE)
            return refuse(l, VKD_FORMAT, &at, "expected a key, found a list or keys");
        const char *name = (const char *)key->data.scalar.value;
        snprintf(at.key, sizeof at.key, "%.20s%s%.26s", section, section[0] ? "." : "", name);
        cyaml_schema_field_t *field = field_of(fields, name, strlen(name));
        if (field == NULL) {
            char near[128];
            suggest_key(l, section, fields, name, near, sizeof near);
            return refuse(l, VKD_FORMAT, &at, "unknown key '%s'%s", at.key, near);
        }
        for (uint32_t i = first; i < l->place_count; i++)
            if (strcmp(l->places[i].key, at.key) == 0)
                return refuse(l, VKD_FORMAT, &at, "key '%s' is given twice, first in line %u", at.key,
                              l->places[i].line);
        write_value(doc, value, at.value, sizeof at.value);
        if (l->place_count < PLACE_MAX)
            l->places[l->place_count++] = at;
        if (!fits(doc, value, field->value.type))
            return refuse(l, VKD_FORMAT, &at, "%s: expected %s, found %s", at.key, expected_text(field), at.value);
        if (field->value.type == CYAML_MAPPING && value->type == YAML_MAPPING_NODE) {
            vkd_result r = walk(l, doc, value, keys_of(field), field->key);
            if (r != VKD_OK)
                return r;
        }
    }
    return VKD_OK;
}

// Finds the places of `text`'s keys.
static vkd_result survey(struct loader *l, const char *text, size_t size)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    if (!yaml_parser_initialize(&parser))
        return refuse(l, VKD_NO_MEMORY, NULL, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (!yaml_parser_load(&parser, &doc)) {
        struct place at = { .source = l->source, .line = (uint32_t)parser.problem_mark.line + 1,
                            .column = (uint32_t)parser.problem_mark.column + 1 };
        bool tab = parser.problem_mark.index < size && text[parser.problem_mark.index] == '\t';
        vkd_result r = refuse(l, VKD_FORMAT, &at, "not valid YAML: %s%s", parser.problem ? parser.problem : "unreadable",
                              tab ? " (a tab; indent with spaces)" : "");
        yaml_parser_delete(&parser);
        return r;
    }
    vkd_result r = VKD_OK;
    const yaml_node_t *root = yaml_document_get_root_node(&doc);
    if (root != NULL && root->type != YAML_MAPPING_NODE)
        r = refuse(l, VKD_FORMAT, NULL, "expected a recipe's keys (data, model, optimizer ...), found something else");
    else if (root != NULL)
        r = walk(l, &doc, root, l->file->schema->top, "");
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    return r;
}

// Keeps libcyaml's first message and the keys of its backtrace, which come innermost first.
static void VKD_PRINTF(3, 0) hear(cyaml_log_t level, void *context, const char *format, va_list args)
{
    (void)level;
    struct loader *l = context;
    char text[256], key[48];
    vsnprintf(text, sizeof text, format, args);
    if (l->reason[0] == 0)
        snprintf(l->reason, sizeof l->reason, "%.*s", (int)strcspn(text, "\n"), text);
    if (sscanf(text, " in mapping field '%47[^']'", key) == 1) {
        char outer[96];
        snprintf(outer, sizeof outer, "%s%s%.40s", key, l->bad_key[0] ? "." : "", l->bad_key);
        memcpy(l->bad_key, outer, sizeof outer);
    }
}

static cyaml_config_t config_of(struct loader *l)
{
    return (cyaml_config_t){ .log_fn = hear, .log_ctx = l, .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR };
}

// ---- Copying into struct vkd_recipe -------------------------------------------------------------

static bool take_floats(struct loader *l, const char *key, const float *src, float *dst, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(src[i])) {
            (void)refuse(l, VKD_FORMAT, place_of(l, key), "%s: expected a finite number, found %g", key,
                         (double)src[i]);
            return false;
        }
        dst[i] = src[i];
    }
    return true;
}

static bool take_whole(struct loader *l, const char *key, int64_t src, int64_t most)
{
    if (src < 0 || src > most)
        (void)refuse(l, VKD_FORMAT, place_of(l, key), "%s: expected a whole number from 0 to %lld, found %lld", key,
                     (long long)most, (long long)src);
    return src >= 0 && src <= most;
}

static bool take(struct loader *l, const struct vkd_recipe_field *f, const void *src)
{
    void *dst = (char *)&l->file->recipe + f->ofs;
    switch (f->kind) {
    case VKD_RECIPE_F32:
    case VKD_RECIPE_F32X2:
    case VKD_RECIPE_F32X3:
    case VKD_RECIPE_F32X4: return take_floats(l, f->key, src, dst, vkd_recipe_floats(f->kind));
    case VKD_RECIPE_BOOL:  *(bool *)dst = *(const int *)src != 0; return true;
    case VKD_RECIPE_U32:
        *(uint32_t *)dst = (uint32_t)*(const int64_t *)src;
        return take_whole(l, f->key, *(const int64_t *)src, UINT32_MAX);
    case VKD_RECIPE_U64:
        *(uint64_t *)dst = (uint64_t)*(const int64_t *)src;
        return take_whole(l, f->key, *(const int64_t *)src, INT64_MAX);
    default:
        break;
    }
    // An empty text gives the default back.
    struct vkd_recipe initial;
    vkd_recipe_default(&initial);
    *(const char **)dst = *(const char *)src != 0 ? src : *(const char **)((char *)&initial + f->ofs);
    return true;
}

// ---- Documents ---------------------------------------------------------------------------------

// libcyaml's schema for the text just surveyed. A plain word in a section's place is its name, as
// in "augment: none".
static struct recipe_document *add_document(struct loader *l)
{
    struct recipe_document *d = &l->file->documents[l->file->document_count];
    memcpy(d->top, l->file->schema->top, sizeof d->top);
    for (cyaml_schema_field_t *f = d->top; f->key != NULL; f++) {
        const struct place *at = place_of(l, f->key);
        const cyaml_schema_field_t *name = f->value.type == CYAML_MAPPING ? field_of(keys_of(f), "name", 4) : NULL;
        if (name != NULL && at != NULL && at->source == l->source && at->value[0] == '\'') {
            f->data_offset = name->data_offset;
            f->value = name->value;
        }
    }
    d->root = (cyaml_schema_value_t){ CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, void *, d->top) };
    d->root.data_size = l->file->schema->count * (uint32_t)sizeof(void *);
    return d;
}

static vkd_result load_document(struct loader *l, const char *text, size_t size)
{
    vkd_result r = survey(l, text, size);
    if (r != VKD_OK)
        return r;
    struct recipe_document *d = add_document(l);
    cyaml_config_t config = config_of(l);
    l->reason[0] = l->bad_key[0] = 0;
    cyaml_err_t e = cyaml_load_data((const uint8_t *)text, size, &config, &d->root, (cyaml_data_t **)&d->values, NULL);
    if (e != CYAML_OK) {
        const cyaml_schema_field_t *field = field_of_path(l, l->bad_key);
        const struct place *at = place_of(l, l->bad_key);
        if (field == NULL || at == NULL)
            return refuse(l, VKD_FORMAT, at, "%s (%s)", l->reason, cyaml_strerror(e));
        return refuse(l, VKD_FORMAT, at, "%s: expected %s, found %s", at->key, expected_text(field), at->value);
    }
    if (d->values == NULL)
        return VKD_OK;
    l->file->document_count++;
    for (uint32_t i = 0; i < l->file->schema->count; i++)
        if (d->values[i] != NULL && !take(l, vkd_recipe_field_at(i), d->values[i]))
            return VKD_FORMAT;
    return VKD_OK;
}

// Turns "optimizer.lr=0.1" into a YAML text and loads it over what is there.
static vkd_result load_override(struct loader *l, const char *set)
{
    char key[48], text[2048];
    const char *equals = strchr(set, '=');
    l->source = set;
    size_t length = equals != NULL ? (size_t)(equals - set) : 0;
    if (equals == NULL || length == 0 || length >= sizeof key || strpbrk(set, "\r\n") != NULL || strlen(set) > 900)
        return refuse(l, VKD_INVALID, NULL, "expected KEY=VALUE, as in --set optimizer.lr=0.1");
    memcpy(key, set, length);
    key[length] = 0;
    cyaml_schema_field_t *field = field_of_path(l, key);
    char *dot = strchr(key, '.');
    cyaml_schema_field_t *section = field_of(l->file->schema->top, key, dot != NULL ? (size_t)(dot - key) : length);
    if (field == NULL) {
        char near[128];
        bool inside = dot != NULL && section != NULL && section->value.type == CYAML_MAPPING;
        if (dot != NULL && !inside)
            *dot = 0;       // the section's name is the wrong one
        suggest_key(l, inside ? section->key : "", inside ? keys_of(section) : l->file->schema->top,
                    inside ? dot + 1 : key, near, sizeof near);
        return refuse(l, VKD_FORMAT, NULL, "unknown key '%s'%s", key, near);
    }
    size_t used = dot != NULL ? (size_t)snprintf(text, sizeof text, "%s:\n  %s: ", section->key, field->key)
                              : (size_t)snprintf(text, sizeof text, "%s: ", field->key);
    // Quotes keep a text's ':' and '#' from meaning something.
    bool quote = field->value.type == CYAML_STRING || field->value.type == CYAML_MAPPING;
    if (quote)
        text[used++] = '\'';
    for (const char *c = equals + 1; *c; c++) {
        if (quote && *c == '\'')
            text[used++] = '\'';
        text[used++] = *c;
    }
    if (quote)
        text[used++] = '\'';
    text[used] = 0;
    return load_document(l, text, used);
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

// Says that there is no such recipe, which ones are shipped, and the nearest of them.
static vkd_result refuse_name(struct loader *l, const char *name, const char *dir)
{
    char **names = NULL, list[512] = "";
    uint32_t count = 0;
    struct vkd__why why;
    l->source = name;
    if (vkd__dir_list(dir, &names, &count, &why) != VKD_OK)
        return refuse(l, VKD_IO, NULL, "no such recipe file");
    for (uint32_t i = 0; i < count; i++) {
        names[i][strcspn(names[i], ".")] = 0;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", names[i]);
    }
    const char *slash = strrchr(name, '/');
    char stem[64];
    snprintf(stem, sizeof stem, "%.63s", slash != NULL ? slash + 1 : name);
    stem[strcspn(stem, ".")] = 0;
    const char *near = vkd__suggest(stem, (const char *const *)names, count);
    vkd_result r = refuse(l, VKD_IO, NULL, "no such recipe file or shipped recipe%s%s%s (shipped: %s)",
                          near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "", list);
    free(names);
    return r;
}

// The folders that shipped recipes may lie in, separated by ':'.
#define RECIPE_DIRS "apps/recipes:" VKD_RECIPE_DIRS

static vkd_result find(struct loader *l, const char *name)
{
    char *path = l->file->path, dir[512] = "";
    size_t size = sizeof l->file->path;
    snprintf(path, size, "%s", name);
    if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE)
        return VKD_OK;
    bool bare = strchr(name, '/') == NULL;
    char shipped[512] = "";
    for (const char *d = RECIPE_DIRS; *d; d += strcspn(d, ":"), d += *d == ':') {
        snprintf(dir, sizeof dir, "%.*s", (int)strcspn(d, ":"), d);
        if (vkd__path_kind(dir, NULL, NULL) != VKD__PATH_DIR)
            continue;
        if (shipped[0] == 0)
            memcpy(shipped, dir, sizeof dir);
        const char *end = strlen(name) > 5 && strcmp(name + strlen(name) - 5, ".yaml") == 0 ? "" : ".yaml";
        snprintf(path, size, "%s/%s%s", dir, name, end);
        if (bare && vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE)
            return VKD_OK;
    }
    return refuse_name(l, name, shipped);
}

// Puts the place of the key that vkd_recipe_check's text begins with before it.
static vkd_result check(struct loader *l)
{
    char text[512];
    if (vkd_recipe_check(&l->file->recipe, text, sizeof text) == VKD_OK)
        return VKD_OK;
    char key[48];
    snprintf(key, sizeof key, "%.*s", (int)strspn(text, "abcdefghijklmnopqrstuvwxyz_.0123456789"), text);
    const struct place *at = place_of(l, key);
    if (at == NULL && strcmp(key, "augment.name") == 0)
        at = place_of(l, "augment");
    l->source = l->file->path;
    l->override = false;
    return refuse(l, VKD_INVALID, at, "%s", text);
}

vkd_result recipe_load(const struct recipe_params *p, struct recipe_file *out, char *why, size_t why_size)
{
    *out = (struct recipe_file){ 0 };
    struct loader *l = calloc(1, sizeof *l);
    uint8_t *text = NULL;
    uint64_t size;
    struct vkd__why reason;
    vkd_result r = VKD_NO_MEMORY;
    snprintf(why, why_size, "out of memory");
    out->schema = calloc(1, sizeof *out->schema);
    out->documents = calloc(p->set_count + 1, sizeof *out->documents);
    if (l == NULL || out->schema == NULL || out->documents == NULL)
        goto done;
    *l = (struct loader){ .file = out, .why = why, .why_size = why_size };
    vkd_recipe_default(&out->recipe);
    build_schema(out->schema);

    r = find(l, p->name);
    if (r != VKD_OK)
        goto done;
    set_name(out);
    r = vkd__file_read(out->path, 1 << 20, &text, &size, &reason);
    if (r != VKD_OK) {
        snprintf(why, why_size, "%s", reason.text);
        goto done;
    }
    l->source = out->path;
    r = load_document(l, (const char *)text, size);
    l->override = true;
    for (uint32_t i = 0; r == VKD_OK && i < p->set_count; i++)
        r = load_override(l, p->sets[i]);
    if (r == VKD_OK)
        r = check(l);
done:
    free(text);
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
    *f = (struct recipe_file){ 0 };
}
