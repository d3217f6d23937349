// recipe_text.c -- one YAML text, or one override, read into a recipe; every key's place is kept for messages.
#include "apps/vkdiv/recipe_impl.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

// ---- Messages ----------------------------------------------------------------------------------

static void VKD_PRINTF(2, 0) write_why(struct loader *l, const char *format, va_list args)
{
    size_t used = strlen(l->why);
    vsnprintf(l->why + used, l->why_size - used, format, args);
}

vkd_result recipe_refuse(struct loader *l, vkd_result result, const struct place *at, const char *format, ...)
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

const struct place *recipe_place(const struct loader *l, const char *key)
{
    for (uint32_t i = 0; i < l->place_count; i++)
        if (strcmp(l->places[i].key, key) == 0)
            return &l->places[i];
    return NULL;
}

// ---- Places ------------------------------------------------------------------------------------

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
    if (node->type == YAML_SEQUENCE_NODE && type != CYAML_IGNORE) {
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

static void note_place(struct loader *l, const struct place *at)
{
    uint32_t i = 0;
    while (i < l->place_count && strcmp(l->places[i].key, at->key) != 0)
        i++;
    if (i < PLACE_MAX)
        l->places[i] = *at;
    if (i == l->place_count && i < PLACE_MAX)
        l->place_count++;
}

// Notes where each key of a mapping stands and refuses unknown and repeated ones: libcyaml's own
// message about them does not know their line.
static vkd_result walk(struct loader *l, yaml_document_t *doc, const yaml_node_t *map,
                       cyaml_schema_field_t *fields, const char *section)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(doc, p->key);
        const yaml_node_t *value = yaml_document_get_node(doc, p->value);
        struct place at = { .source = l->source, .line = (uint32_t)key->start_mark.line + 1,
                            .column = (uint32_t)key->start_mark.column + 1, .text = l->text };
        if (l->override)
            at.line = 0;
        if (key->type != YAML_SCALAR_NODE)
            return recipe_refuse(l, VKD_FORMAT, &at, "expected a key, found a list or keys");
        const char *name = (const char *)key->data.scalar.value;
        snprintf(at.key, sizeof at.key, "%.20s%s%.26s", section, section[0] ? "." : "", name);
        cyaml_schema_field_t *field = recipe_field(fields, name, strlen(name));
        if (field == NULL) {
            char near[128];
            recipe_suggest_key(l->file->schema, section, fields, name, near, sizeof near);
            return recipe_refuse(l, VKD_FORMAT, &at, "unknown key '%s'%s", at.key, near);
        }
        const struct place *before = recipe_place(l, at.key);
        if (before != NULL && before->text == l->text)
            return recipe_refuse(l, VKD_FORMAT, &at, "key '%s' is given twice, first in line %u", at.key, before->line);
        write_value(doc, value, at.value, sizeof at.value);
        note_place(l, &at);
        if (!fits(doc, value, field->value.type))
            return recipe_refuse(l, VKD_FORMAT, &at, "%s: expected %s, found %s", at.key, recipe_expected(field), at.value);
        if (field->value.type == CYAML_MAPPING && value->type == YAML_MAPPING_NODE) {
            vkd_result r = walk(l, doc, value, recipe_keys(field), field->key);
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
        return recipe_refuse(l, VKD_NO_MEMORY, NULL, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (!yaml_parser_load(&parser, &doc)) {
        struct place at = { .source = l->source, .line = (uint32_t)parser.problem_mark.line + 1,
                            .column = (uint32_t)parser.problem_mark.column + 1 };
        bool tab = parser.problem_mark.index < size && text[parser.problem_mark.index] == '\t';
        vkd_result r = recipe_refuse(l, VKD_FORMAT, &at, "not valid YAML: %s%s", parser.problem ? parser.problem : "unreadable",
                              tab ? " (a tab; indent with spaces)" : "");
        yaml_parser_delete(&parser);
        return r;
    }
    vkd_result r = VKD_OK;
    const yaml_node_t *root = yaml_document_get_root_node(&doc);
    if (root != NULL && root->type != YAML_MAPPING_NODE)
        r = recipe_refuse(l, VKD_FORMAT, NULL, "expected a recipe's keys (data, model, optimizer ...), found something else");
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
            (void)recipe_refuse(l, VKD_FORMAT, recipe_place(l, key), "%s: expected a finite number, found %g", key,
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
        (void)recipe_refuse(l, VKD_FORMAT, recipe_place(l, key), "%s: expected a whole number from 0 to %lld, found %lld", key,
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
        const struct place *at = recipe_place(l, f->key);
        const cyaml_schema_field_t *name = f->value.type == CYAML_MAPPING ? recipe_field(recipe_keys(f), "name", 4) : NULL;
        if (name != NULL && at != NULL && at->text == l->text && at->value[0] == '\'') {
            f->data_offset = name->data_offset;
            f->value = name->value;
        }
    }
    d->root = (cyaml_schema_value_t){ CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, void *, d->top) };
    d->root.data_size = l->file->schema->count * (uint32_t)sizeof(void *);
    return d;
}

vkd_result recipe_load_text(struct loader *l, const char *text, size_t size)
{
    l->text++;
    vkd_result r = survey(l, text, size);
    if (r != VKD_OK)
        return r;
    struct recipe_document *d = add_document(l);
    cyaml_config_t config = config_of(l);
    l->reason[0] = l->bad_key[0] = 0;
    cyaml_err_t e = cyaml_load_data((const uint8_t *)text, size, &config, &d->root, (cyaml_data_t **)&d->values, NULL);
    if (e != CYAML_OK) {
        const cyaml_schema_field_t *field = recipe_field_path(l->file->schema, l->bad_key);
        const struct place *at = recipe_place(l, l->bad_key);
        if (field == NULL || at == NULL)
            return recipe_refuse(l, VKD_FORMAT, at, "%s (%s)", l->reason, cyaml_strerror(e));
        return recipe_refuse(l, VKD_FORMAT, at, "%s: expected %s, found %s", at->key, recipe_expected(field), at->value);
    }
    if (d->values == NULL)
        return VKD_OK;
    l->file->document_count++;
    for (uint32_t i = 0; i < l->file->schema->count; i++)
        if (d->values[i] != NULL && !take(l, vkd_recipe_field_at(i), d->values[i]))
            return VKD_FORMAT;
    return VKD_OK;
}

// Turns "optimizer.lr=0.1" into a YAML text.
vkd_result recipe_load_override(struct loader *l, const char *set)
{
    char key[48], text[2048];
    const char *equals = strchr(set, '=');
    l->source = set;
    size_t length = equals != NULL ? (size_t)(equals - set) : 0;
    if (equals == NULL || length == 0 || length >= sizeof key || strpbrk(set, "\r\n") != NULL || strlen(set) > 900)
        return recipe_refuse(l, VKD_INVALID, NULL, "expected KEY=VALUE, as in --set optimizer.lr=0.1");
    memcpy(key, set, length);
    key[length] = 0;
    cyaml_schema_field_t *field = recipe_field_path(l->file->schema, key);
    char *dot = strchr(key, '.');
    cyaml_schema_field_t *section = recipe_field(l->file->schema->top, key, dot != NULL ? (size_t)(dot - key) : length);
    if (field != NULL && field->value.type == CYAML_IGNORE)
        return recipe_refuse(l, VKD_INVALID, NULL, "'%s' is for recipe files only", key);
    if (field == NULL) {
        char near[128];
        bool inside = dot != NULL && section != NULL && section->value.type == CYAML_MAPPING;
        if (dot != NULL && !inside)
            *dot = 0;       // the section's name is the wrong one
        recipe_suggest_key(l->file->schema, inside ? section->key : "", inside ? recipe_keys(section) : l->file->schema->top,
                    inside ? dot + 1 : key, near, sizeof near);
        return recipe_refuse(l, VKD_FORMAT, NULL, "unknown key '%s'%s", key, near);
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
    return recipe_load_text(l, text, used);
}

