// pc_loss.h -- push constants of the losses that are a mean over all elements.
#ifndef VKD_PC_LOSS_H
#define VKD_PC_LOSS_H
#include "shared.h"

struct vkd_pc_loss {
    u32 count;      // vec4s of an input, or partial sums
    u32 c, c4;      // channels; vec4s per row
    u32 threads;    // of the kernel that sums
    f32 scale;      // 1 / (rows * c)
    f32 eps;        // variance_hinge
    f32 on, off;    // identity_mse
};
VKD_PC_CHECK(vkd_pc_loss)
#endif
