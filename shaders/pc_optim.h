// pc_optim.h -- push constants of the optimiser kernels.
#ifndef VKD_PC_OPTIM_H
#define VKD_PC_OPTIM_H
#include "shared.h"

// Kernels that work on a window of the chunk table, one workgroup per chunk; and optim_grad_norm.
struct vkd_pc_optim {
    u32 chunk;          // first chunk of the window
    u32 quad;           // flat quad where the bound ranges begin
    f32 beta1, beta2;
    f32 rest1, rest2;   // 1 - beta, rounded from double
    f32 eps;
    f32 eta;            // LARS: trust coefficient
    u32 nesterov;
    u32 clip_lr;        // LARS: q = min(q / lr, 1)
    u32 count;          // chunks of the whole table
    f32 scale_growth, scale_backoff;    // loss scale: after so many good steps, after an overflow
    u32 scale_interval; // good steps until it grows; 0: it stays as it is
};
VKD_PC_CHECK(vkd_pc_optim)

// Kernels over one list: quads of a flat window, or chunks.
struct vkd_pc_optim_list {
    u32 count;
};
VKD_PC_CHECK(vkd_pc_optim_list)
#endif
