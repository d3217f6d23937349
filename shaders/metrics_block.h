// metrics_block.h -- what a training step reports: written by kernels, read by later kernels of
// the step and, whenever it likes, by the host.
#ifndef VKD_METRICS_BLOCK_H
#define VKD_METRICS_BLOCK_H
#include "step_block.h"

struct vkd_metrics_block {
    f32 loss;               // mean over the step's micro-batches
    f32 grad_norm;          // L2 norm of all gradients (times raw_factor) but those of groups beside, before clipping
    f32 grad_factor;        // raw_factor times the clipping factor: what a raw gradient is multiplied by; of groups beside
                            // it is raw_factor alone
    u32 nonfinite;          // 1: loss or grad_norm is NaN or infinite, and this step changed nothing
    u32 nonfinite_count;    // such steps since the optimiser was reset, but for overflows
    u32 nonfinite_step;     // the step number of the first of them
    // Adam, LAMB: (1 - beta1^t, 1 - beta2^t) of each group, t being the steps that changed it. What
    // later steps begin from, so checkpoints keep it.
    f32 bias[2 * VKD_LR_GROUPS];
    u32 left_alone;         // bit i: group i could not change in this step, with nonfinite all; else groups beside
                            // with a gradient that is NaN or infinite
    f32 raw_factor;         // grad_scale over the loss scale
    f32 loss_scale;         // of this step
    u32 overflow;           // 1, with nonfinite: the loss is finite, and a smaller loss scale will do
    u32 overflow_count;     // such steps since the optimiser was reset
    u32 reserved[5];
};
#endif
