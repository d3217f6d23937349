// loss_scale.h -- the gradient of the loss, which the backward pass starts from: 1, or with a loss scale as much as
// gradients that are stored in f16 stand, so that small ones do not vanish. Kernels alone change it.
#ifndef VKD_LOSS_SCALE_H
#define VKD_LOSS_SCALE_H
#include "shared.h"

struct vkd_loss_scale {
    f32 scale, padding[3];  // a tensor (1, 1, 1, 1)
    f32 good_steps;         // since it changed
    f32 reserved[3];
};

#define VKD_LOSS_SCALE_MAX 16777216.0
#endif
