// pc_reduce.h -- push constants of reduce.comp and reduce_back.comp.
#ifndef VKD_PC_REDUCE_H
#define VKD_PC_REDUCE_H
#include "shared.h"

// Sums over some dimensions of a tensor of vec4s. What is kept and what is summed are at most two groups of
// neighbouring dimensions each: item i lies at (i / inner) * stride[1] + (i % inner) * stride[0].
struct vkd_pc_reduce {
    u32 outputs, items;         // vec4s kept; vec4s summed into each
    u32 chunks;                 // parts of the items, summed apart
    u32 neighbours;             // 1: neighbouring threads take neighbouring chunks, 0: neighbouring outputs
    u32 kept_inner, kept_stride[2];
    u32 item_inner, item_stride[2];
    u32 across;                 // 1: also sums the four lanes, into the first
    f32 scale;                  // of the result
};
VKD_PC_CHECK(vkd_pc_reduce)

// dx = scale * dy, repeated along the reduced dimensions.
struct vkd_pc_reduce_back {
    u32 count;                  // vec4s of x
    u32 c, d[4];                // channels of x; its h, w and vec4s per pixel in d[1 ... 3]
    u32 stride[4];              // of dy, 0 along a reduced dimension
    u32 across;                 // 1: one channel of dy goes to all
    f32 scale;
};
VKD_PC_CHECK(vkd_pc_reduce_back)
#endif
