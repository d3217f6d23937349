// op_rows.h -- what the operations along C share: rows are d[0] * d[1] * d[2]. Internal to engine/.
#ifndef VKD_OP_ROWS_H
#define VKD_OP_ROWS_H

#include "op.h"
#include "pc_rows.h"

// Rejects what is not f32 or has more channels than one workgroup can reduce.
bool vkd__rows_check(struct vkd_call *c);
// vkd__rows_check, then one output like in[0].
bool vkd__rows_shape(struct vkd_call *c);

struct vkd_pc_rows vkd__rows_push(const struct vkd_call *c);

// Appends KERNEL.thread (one thread per row) or KERNEL.group (one workgroup per row), by C.
struct vkd_dispatch *vkd__rows_dispatch(const struct vkd_call *c, struct vkd_plan *p, const char *kernel);
// The same over the rows of in[input].
struct vkd_dispatch *vkd__rows_dispatch_of(const struct vkd_call *c, struct vkd_plan *p, const char *kernel,
                                           uint32_t input);

// Appends KERNEL, a thread for each vec4 of in[0].
struct vkd_dispatch *vkd__rows_elements(const struct vkd_call *c, struct vkd_plan *p, const char *kernel);
// Ends a loss: out[0] is the mean of scratch 0 over the rows that scratch 1 does not call VKD_NO_LABEL, out[weight] is
// 1 over their number; both are 0 where there is none.
void vkd__rows_mean(const struct vkd_call *c, struct vkd_plan *p, uint32_t weight);

// Plans of y = f(x) whose backward pass reads y: OP.forward binds (x, y), OP.backward (dy, y, dx).
void vkd__rows_forward(const struct vkd_call *c, struct vkd_plan *p);
void vkd__rows_backward(const struct vkd_call *c, struct vkd_plan *p);

#endif
