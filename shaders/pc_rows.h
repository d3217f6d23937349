// pc_rows.h -- push constants of the kernels that reduce each row of a (rows, C) tensor.
#ifndef VKD_PC_ROWS_H
#define VKD_PC_ROWS_H
#include "shared.h"

struct vkd_pc_rows {
    u32 rows, c, c4;    // c4 vec4s per row
    f32 eps;            // l2_normalize
    f32 smoothing;      // cross_entropy
    f32 gamma_neg, gamma_pos, clip;     // asl
    u32 focal_grad;     // asl
    f32 alpha;          // soft_cross_entropy
};
VKD_PC_CHECK(vkd_pc_rows)
#endif
