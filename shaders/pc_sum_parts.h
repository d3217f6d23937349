// pc_sum_parts.h -- push constants of sum_parts.
#ifndef VKD_PC_SUM_PARTS_H
#define VKD_PC_SUM_PARTS_H
#include "shared.h"

struct vkd_pc_sum_parts {
    u32 count;      // vec4 of the result
    u32 stride;     // vec4 from part to part
    u32 parts;      // <= 4096
};
VKD_PC_CHECK(vkd_pc_sum_parts)
#endif
