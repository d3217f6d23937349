// recipe_schema.c -- libcyaml's schema of a recipe, made from the engine's table of keys, and names near a mistyped one.
#include "apps/vkdiv/recipe_impl.h"

#include "engine/suggest.h"

#include <stdio.h>
#include <string.h>

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

cyaml_schema_field_t *recipe_field(cyaml_schema_field_t *fields, const char *key, size_t length)
{
    for (; fields->key != NULL; fields++)
        if (strlen(fields->key) == length && memcmp(fields->key, key, length) == 0)
            return fields;
    return NULL;
}

cyaml_schema_field_t *recipe_keys(const cyaml_schema_field_t *section)
{
    return (cyaml_schema_field_t *)section->value.mapping.fields;
}

void recipe_schema_build(struct recipe_schema *s)
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
    s->top[top] = (cyaml_schema_field_t)CYAML_FIELD_IGNORE("base", CYAML_FLAG_OPTIONAL);    // see recipe_base.c
}

cyaml_schema_field_t *recipe_field_path(struct recipe_schema *s, const char *path)
{
    const char *dot = strchr(path, '.');
    cyaml_schema_field_t *top = recipe_field(s->top, path, dot != NULL ? (size_t)(dot - path) : strlen(path));
    if (dot == NULL || top == NULL)
        return top;
    return top->value.type == CYAML_MAPPING ? recipe_field(recipe_keys(top), dot + 1, strlen(dot + 1)) : NULL;
}

const char *recipe_expected(const cyaml_schema_field_t *field)
{
    switch (field->value.type) {
    case CYAML_STRING:         return "a text";
    case CYAML_IGNORE:         return "a name or a list of names";
    case CYAML_FLOAT:          return "a number";
    case CYAML_INT:            return "a whole number";
    case CYAML_ENUM:           return "true or false";
    case CYAML_SEQUENCE_FIXED: return field->value.sequence.max == 2 ? "a list of 2 numbers" :
                                      field->value.sequence.max == 3 ? "a list of 3 numbers" : "a list of 4 numbers";
    default:                   return "keys of its own, indented below it";
    }
}

void recipe_suggest_key(struct recipe_schema *schema, const char *section, cyaml_schema_field_t *fields, const char *key,
                        char *text, size_t size)
{
    text[0] = 0;
    if (recipe_field(schema->top, key, strlen(key)) != NULL) {
        snprintf(text, size, "; did you mean the top-level key '%s'?", key);
        return;
    }
    for (cyaml_schema_field_t *s = schema->top; s->key != NULL; s++)
        if (s->value.type == CYAML_MAPPING && recipe_field(recipe_keys(s), key, strlen(key)) != NULL) {
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

