// elementwise.h -- what the ops share that treat every element alike. Internal.
#ifndef VKD_ELEMENTWISE_H
#define VKD_ELEMENTWISE_H

#include "op.h"
#include "pc_elementwise.h"

// shape() of ops whose inputs all have one shape and one type, f32 or of 16 bits: out[0] is like in[0].
bool vkd__elementwise_shape(struct vkd_call *c);

// Appends `kernel` (the variant by vkd__load_name) over all vec4s of the tensors in `slots`, in
// windows that fit a binding. A step block and a tensor with fewer elements than the last slot's are bound whole. `pc`
// gives what is not a count; it is zero when NULL.
void vkd__elementwise(const struct vkd_call *c, struct vkd_plan *p, const char *kernel,
                      const struct vkd_pc_elementwise *pc, const struct vkd_slot *slots, uint32_t slot_count);

// dst = alpha * src, both of one type; 1 copies, bit for bit.
void vkd__scale(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_slot dst, float alpha);

// Forward and backward of y = f(x) by the kernels NAME.fwd and NAME.bwd; the op's flags say whether backward reads
// x or y.
void vkd__unary_forward(const struct vkd_call *c, struct vkd_plan *p);
void vkd__unary_backward(const struct vkd_call *c, struct vkd_plan *p);

#endif
