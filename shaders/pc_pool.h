// pc_pool.h -- push constants of the pooling kernels.
#ifndef VKD_PC_POOL_H
#define VKD_PC_POOL_H
#include "shared.h"

struct vkd_pc_pool {
    u32 n, h, w, c, c4;     // x: (n, h, w, c), c4 vec4s per pixel
    u32 oh, ow;             // y: (n, oh, ow, c)
    u32 kernel[2], stride[2], pad[2];
    u32 count_pad;
};
VKD_PC_CHECK(vkd_pc_pool)

// Mean over the rows of each group: x (groups, rows, c4) -> y (groups, chunks, c4), y times scale.
struct vkd_pc_group_sum {
    u32 groups, rows, c4;
    u32 chunks, per_chunk;  // rows of a chunk; the last one may be short
    f32 scale;
};
VKD_PC_CHECK(vkd_pc_group_sum)
#endif
