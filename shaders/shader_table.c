// shader_table.c -- SPIR-V compiled into the library, looked up by kernel name.
#include "shader_table.h"

#include <string.h>

#include "shader_words.inc"     // generated: one array per module

static const struct { const char *name; const uint32_t *words; size_t size; } table[] = {
#define SHADER(id, name) { name, id, sizeof(id) },
#include "shader_names.inc"
#undef SHADER
};

enum { COUNT = sizeof(table) / sizeof(table[0]) };

const uint32_t *vkd__shader_find(const char *name, size_t *size)
{
    for (uint32_t i = 0; i < COUNT; i++) {
        if (!strcmp(table[i].name, name)) {
            *size = table[i].size;
            return table[i].words;
        }
    }
    return NULL;
}

const char *vkd__shader_name(uint32_t index)
{
    return index < COUNT ? table[index].name : NULL;
}
