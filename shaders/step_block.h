// step_block.h -- what changes from step to step: written by the host before each step, read by
// kernels of the recorded sequence.
#ifndef VKD_STEP_BLOCK_H
#define VKD_STEP_BLOCK_H
#include "shared.h"

struct vkd_step_block {
    u32 seed[2];            // of the run
    u32 step;               // optimiser steps done before this one
    u32 micro;              // micro-batch within the step
    u32 epoch;
    u32 image_count;        // valid images in the batch (evaluation's last batch is short)
    f32 lr;
    f32 momentum;
    f32 weight_decay;
    f32 bias1, bias2;       // Adam, LAMB: 1 - beta^t
    f32 grad_keep;          // accumulation: 0 on the first micro-batch, else 1
    f32 grad_scale;         // what an accumulated gradient is multiplied by before use
    f32 clip_norm;          // gradient norm limit; 0 for none
    f32 ema_decay;
    f32 injection;          // a(t) of label injection
    u32 reserved[16];
};
#endif
