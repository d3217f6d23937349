// metrics_block.h -- what a training step reports: written by kernels, read by later kernels of
// the step and, whenever it likes, by the host.
#ifndef VKD_METRICS_BLOCK_H
#define VKD_METRICS_BLOCK_H
#include "step_block.h"

struct vkd_metrics_block {
    f32 loss;               // mean over the step's micro-batches
    f32 grad_norm;          // L2 norm of all gradients (times grad_scale), before clipping
    f32 grad_factor;        // grad_scale times the clipping factor: what a raw gradient is multiplied by
    u32 nonfinite;          // 1: loss or grad_norm is NaN or infinite, and this step changed nothing
    u32 nonfinite_count;    // such steps since the optimiser was reset
    u32 nonfinite_step;     // the step number of the first of them
    // Adam, LAMB: (1 - beta1^t, 1 - beta2^t) of each group, t being the steps that changed it. What
    // later steps begin from, so checkpoints keep it.
    f32 bias[2 * VKD_LR_GROUPS];
    u32 reserved[10];
};
#endif
