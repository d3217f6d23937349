// shader_table.h -- the embedded SPIR-V modules by kernel name. Internal.
#ifndef VKD_SHADER_TABLE_H
#define VKD_SHADER_TABLE_H

#include <stddef.h>
#include <stdint.h>

// The module called `name` ("stem" or "stem.variant") and its size in bytes; NULL if absent.
const uint32_t *vkd__shader_find(const char *name, size_t *size);

// The module's name by index; NULL past the end.
const char *vkd__shader_name(uint32_t index);

#endif
