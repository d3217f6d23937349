// step_block.h -- what changes from step to step: written by the host before each step, read by
// kernels of the recorded sequence.
#ifndef VKD_STEP_BLOCK_H
#define VKD_STEP_BLOCK_H
#include "shared.h"

#define VKD_LR_GROUPS 8

// Indices into vkd_step_block.weights, for the operation `weigh`.
#define VKD_WEIGHT_SSL 0u
#define VKD_WEIGHT_SUPERVISED 1u

struct vkd_step_block {
    u32 seed[2];            // of the run
    u32 step;               // optimiser steps done before this one
    u32 micro;              // micro-batch within the step
    u32 epoch;
    u32 image_count;        // valid images in the batch (evaluation's last batch is short)
    f32 lr;                 // of group 0, for logs: kernels read group_lr
    f32 momentum;
    f32 weight_decay;
    f32 grad_keep;          // accumulation: 0 on the first micro-batch, else 1
    f32 grad_scale;         // what an accumulated gradient is multiplied by before use
    f32 clip_norm;          // gradient norm limit; 0 for none
    f32 ema_decay;
    f32 injection;          // a(t) of label injection
    f32 group_lr[VKD_LR_GROUPS];    // learning rates of parameter groups; 0 freezes a group for this step:
                            // its values, states and gradients are not looked at, which may be stale or NaN
    f32 weights[4];         // of the terms of the loss: VKD_WEIGHT_*
    f32 teacher_decay;      // teacher = teacher_decay * teacher + (1 - teacher_decay) * student
    u32 queue_row;          // where a queue takes its next rows: images queued so far, not yet wrapped
    u32 queue_on;           // 1: the loss uses the queue
    u32 beside;             // bit i: group i learns beside what the others do, see struct vkd_optimizer_config.clip_norm
    u32 reserved[2];
};
#endif
