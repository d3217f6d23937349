// op_rows.c -- what the operations along C share.
#include "op_rows.h"

#include <stdio.h>

enum { THREAD_C_MAX = 64, C_MAX = 1 << 20 };

bool vkd__rows_check(struct vkd_call *c)
{
    if (c->in[0].dtype != VKD_F32)
        return vkd__reject(c, "x must be f32");
    if (c->in[0].shape.d[3] > C_MAX)
        return vkd__reject(c, "at most %d channels, found %u", C_MAX, c->in[0].shape.d[3]);
    return true;
}

bool vkd__rows_shape(struct vkd_call *c) { return vkd__rows_check(c) && vkd__shape_same(c); }

struct vkd_pc_rows vkd__rows_push(const struct vkd_call *c)
{
    struct vkd_shape s = c->in[0].shape;
    return (struct vkd_pc_rows) { .rows = vkd__rows(s), .c = s.d[3], .c4 = vkd__pad4(s.d[3]) / 4,
                                  .eps = c->attr.eps > 0 ? c->attr.eps : 1e-12f,
                                  .smoothing = c->attr.label_smoothing, .gamma_neg = c->attr.gamma_neg,
                                  .gamma_pos = c->attr.gamma_pos, .clip = c->attr.clip,
                                  .focal_grad = c->attr.focal_grad, .alpha = c->attr.alpha };
}

struct vkd_dispatch *vkd__rows_dispatch(const struct vkd_call *c, struct vkd_plan *p, const char *kernel)
{
    return vkd__rows_dispatch_of(c, p, kernel, 0);
}

struct vkd_dispatch *vkd__rows_dispatch_of(const struct vkd_call *c, struct vkd_plan *p, const char *kernel,
                                           uint32_t input)
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    pc.rows = vkd__rows(c->in[input].shape);
    bool thread = pc.c <= THREAD_C_MAX;
    char name[48];
    snprintf(name, sizeof(name), "%s.%s", kernel, thread ? "thread" : "group");
    uint32_t groups[3];
    vkd__groups_1d(c, thread ? vkd__div_up(pc.rows, 64) : pc.rows, groups);
    return vkd__dispatch(p, name, &pc, sizeof(pc), groups[0], groups[1], groups[2]);
}

struct vkd_dispatch *vkd__rows_elements(const struct vkd_call *c, struct vkd_plan *p, const char *kernel)
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    uint32_t groups[3];
    vkd__groups_1d(c, vkd__div_up((uint64_t) pc.rows * pc.c4, 64), groups);
    return vkd__dispatch(p, kernel, &pc, sizeof(pc), groups[0], groups[1], groups[2]);
}

void vkd__rows_mean(const struct vkd_call *c, struct vkd_plan *p, uint32_t weight)
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    struct vkd_dispatch *d = vkd__dispatch(p, "cross_entropy_finish.plain", &pc, sizeof(pc), 1, 1, 1);
    vkd__bind(d, VKD_SCRATCH(0));
    vkd__bind(d, VKD_SCRATCH(1));
    vkd__bind(d, VKD_OUT(0));
    vkd__bind(d, VKD_OUT(weight));
}

void vkd__rows_forward(const struct vkd_call *c, struct vkd_plan *p)
{
    char kernel[40];
    snprintf(kernel, sizeof(kernel), "%s.forward", c->op->name);
    struct vkd_dispatch *d = vkd__rows_dispatch(c, p, kernel);
    vkd__bind(d, VKD_IN(0));
    vkd__bind(d, VKD_OUT(0));
}

void vkd__rows_backward(const struct vkd_call *c, struct vkd_plan *p)
{
    char kernel[40];
    snprintf(kernel, sizeof(kernel), "%s.backward", c->op->name);
    struct vkd_dispatch *d = vkd__rows_dispatch(c, p, kernel);
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, VKD_OUT(0));
    vkd__bind(d, VKD_DIN(0));
}
