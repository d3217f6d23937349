// op_loss.c -- what the losses share that are a mean over all elements, or over the known ones.
#include "op_loss.h"

bool vkd__loss_shape(struct vkd_call *c)
{
    uint32_t last = c->in_count > 1;        // a third is the kernel's own
    const uint32_t *x = c->in[0].shape.d, *t = c->in[last].shape.d;
    if (c->in[0].dtype != VKD_F32 || c->in[last].dtype != VKD_F32)
        return vkd__reject(c, "%s must be f32", last ? "both inputs" : "the input");
    for (int d = 0; d < 4; d++)
        if (x[d] != t[d])
            return vkd__reject(c, "both inputs must have one shape, found (%u, %u, %u, %u) and (%u, %u, %u, %u)", x[0],
                               x[1], x[2], x[3], t[0], t[1], t[2], t[3]);
    c->out[0] = (struct vkd_desc) { { { 1, 1, 1, 1 } }, VKD_F32 };
    c->out_count = 1;
    return true;
}

bool vkd__class_weights_check(struct vkd_call *c)
{
    uint32_t channels = c->in[0].shape.d[3];
    if (c->in[2].dtype == VKD_F32 && vkd__rows(c->in[2].shape) == 1 && c->in[2].shape.d[3] == channels)
        return true;
    return vkd__reject(c, "class weights must be f32 (1, 1, 1, %u), found %u x %u", channels, vkd__rows(c->in[2].shape),
                       c->in[2].shape.d[3]);
}

static struct vkd_pc_loss push(const struct vkd_call *c)
{
    struct vkd_shape s = c->in[0].shape;
    return (struct vkd_pc_loss) { .count = (uint32_t) (vkd__numel(s) / 4), .c = s.d[3], .c4 = vkd__pad4(s.d[3]) / 4,
                                  .scale = 1.0f / ((float) vkd__rows(s) * (float) s.d[3]), .eps = c->attr.eps,
                                  .on = c->attr.alpha, .off = c->attr.beta };
}

void vkd__loss_forward(const struct vkd_call *c, struct vkd_plan *p, const char *kernel)
{
    struct vkd_pc_loss pc = push(c);
    // 16 vec4s per thread until there are 65,536 threads.
    uint32_t groups = vkd__div_up(pc.count, 64 * 16);
    groups = groups > 1024 ? 1024 : groups;
    pc.threads = 64 * groups;
    bool known = c->out_count > 1;
    vkd__scratch(p, 0, 4 * vkd__pad4(groups));
    if (known)
        vkd__scratch(p, 1, 4 * vkd__pad4(groups));
    struct vkd_dispatch *d = vkd__dispatch(p, kernel, &pc, sizeof(pc), groups, 1, 1);
    for (uint32_t i = 0; i < c->in_count; i++)
        vkd__bind(d, VKD_IN(i));
    vkd__bind(d, VKD_SCRATCH(0));
    if (known)
        vkd__bind(d, VKD_SCRATCH(1));
    pc.count = groups;
    d = vkd__dispatch(p, known ? "loss_finish.known" : "loss_finish.all", &pc, sizeof(pc), 1, 1, 1);
    vkd__bind(d, VKD_SCRATCH(0));
    vkd__bind(d, VKD_OUT(0));
    if (!known)
        return;
    vkd__bind(d, VKD_SCRATCH(1));
    vkd__bind(d, VKD_OUT(1));
}

struct vkd_dispatch *vkd__loss_backward(const struct vkd_call *c, struct vkd_plan *p, const char *kernel)
{
    struct vkd_pc_loss pc = push(c);
    uint32_t groups[3];
    vkd__groups_1d(c, vkd__div_up(pc.count, 256), groups);
    struct vkd_dispatch *d = vkd__dispatch(p, kernel, &pc, sizeof(pc), groups[0], groups[1], groups[2]);
    vkd__bind(d, VKD_DOUT);
    for (uint32_t i = 0; i < c->in_count; i++)
        vkd__bind(d, VKD_IN(i));
    return d;
}
