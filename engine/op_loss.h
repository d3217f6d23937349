// op_loss.h -- what the losses share that are a mean over elements of (x) or (x, target). Internal to engine/.
#ifndef VKD_OP_LOSS_H
#define VKD_OP_LOSS_H

#include "op.h"
#include "pc_loss.h"

// One f32 input, or two of one shape and any third -> (1, 1, 1, 1).
bool vkd__loss_shape(struct vkd_call *c);

// Whether input 2 is f32 (1, 1, 1, C) for input 0's channels.
bool vkd__class_weights_check(struct vkd_call *c);

// Appends `kernel`, which sums over the inputs per workgroup, and the kernel that ends the sum. A call with two
// outputs is a mean over what the kernel counts as known; out[1] gets 1 over the count.
void vkd__loss_forward(const struct vkd_call *c, struct vkd_plan *p, const char *kernel);

// Appends `kernel` with four vec4s per thread, dloss and the inputs bound.
struct vkd_dispatch *vkd__loss_backward(const struct vkd_call *c, struct vkd_plan *p, const char *kernel);

#endif
