// op_pool.h -- what max_pool and avg_pool share: shape rule and push constants. Internal to engine/.
#ifndef VKD_OP_POOL_H
#define VKD_OP_POOL_H

#include "op.h"
#include "pc_pool.h"

// Checks the window and fills out[0]: (H + 2 pad - kernel) / stride + 1 rows, rounded down.
bool vkd__pool_shape(struct vkd_call *c);

struct vkd_pc_pool vkd__pool_push(const struct vkd_call *c);

// Appends `kernel` with one thread per vec4 of `over`.
struct vkd_dispatch *vkd__pool_dispatch(const struct vkd_call *c, struct vkd_plan *p, const char *kernel,
                                        struct vkd_desc over);

#endif
