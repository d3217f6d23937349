// op_table.c -- collects every vkd_op_* the build found in engine/ops.
#include "op.h"

#include <string.h>

#define OP(name) extern const struct vkd_op vkd_op_##name;
#include "ops.inc"      // generated: one OP(stem) line per engine/ops/*.c
#undef OP

static const struct vkd_op *const all[] = {
#define OP(name) &vkd_op_##name,
#include "ops.inc"
#undef OP
    NULL,
};

const struct vkd_op *vkd__op_at(uint32_t index)
{
    return index < sizeof(all) / sizeof(all[0]) ? all[index] : NULL;
}

const struct vkd_op *vkd__op_find(const char *name)
{
    for (uint32_t i = 0; all[i]; i++)
        if (!strcmp(all[i]->name, name))
            return all[i];
    return NULL;
}
