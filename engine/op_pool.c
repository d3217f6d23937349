// op_pool.c -- what max_pool and avg_pool share.
#include "op_pool.h"

#include <stdio.h>

enum { WINDOW_MAX = 4096 };     // elements: bounds the loops of one thread

static uint32_t stride(const struct vkd_call *c, int d)
{
    return c->attr.stride[d] ? c->attr.stride[d] : c->attr.kernel[d];
}

bool vkd__pool_shape(struct vkd_call *c)
{
    const struct vkd_attr *a = &c->attr;
    struct vkd_shape s = c->in[0].shape;
    if (!vkd__is_real(c->in[0].dtype))
        return vkd__reject(c, "x must be f32, f16 or bf16, found %s", vkd__dtype_name(c->in[0].dtype));
    if (!a->kernel[0] || !a->kernel[1] || (uint64_t) a->kernel[0] * a->kernel[1] > WINDOW_MAX)
        return vkd__reject(c, "the window must have 1 to %d elements, found kernel %u x %u", WINDOW_MAX, a->kernel[0],
                           a->kernel[1]);
    if (a->dilation[0] > 1 || a->dilation[1] > 1)
        return vkd__reject(c, "pooling has no dilation, found %u x %u", a->dilation[0], a->dilation[1]);
    for (int d = 0; d < 2; d++) {
        if (a->pad[d] > a->kernel[d] / 2)
            return vkd__reject(c, "pad must be at most half of the kernel, found pad %u and kernel %u", a->pad[d],
                               a->kernel[d]);
        if (s.d[1 + d] + 2 * a->pad[d] < a->kernel[d])
            return vkd__reject(c, "the kernel %u is larger than the padded image, which is %u", a->kernel[d],
                               s.d[1 + d] + 2 * a->pad[d]);
        s.d[1 + d] = (s.d[1 + d] + 2 * a->pad[d] - a->kernel[d]) / stride(c, d) + 1;
    }
    c->out[0] = (struct vkd_desc) { s, c->in[0].dtype };
    c->out_count = 1;
    return true;
}

struct vkd_pc_pool vkd__pool_push(const struct vkd_call *c)
{
    const struct vkd_attr *a = &c->attr;
    struct vkd_shape s = c->in[0].shape, o = c->out[0].shape;
    return (struct vkd_pc_pool) {
        .n = s.d[0], .h = s.d[1], .w = s.d[2], .c = s.d[3], .c4 = vkd__pad4(s.d[3]) / 4,
        .oh = o.d[1], .ow = o.d[2],
        .kernel = { a->kernel[0], a->kernel[1] },
        .stride = { stride(c, 0), stride(c, 1) },
        .pad = { a->pad[0], a->pad[1] },
        .count_pad = a->count_pad,
    };
}

struct vkd_dispatch *vkd__pool_dispatch(const struct vkd_call *c, struct vkd_plan *p, const char *kernel,
                                        struct vkd_desc over)
{
    struct vkd_pc_pool pc = vkd__pool_push(c);
    uint32_t groups[3];
    char variant[48];
    snprintf(variant, sizeof(variant), "%s.%s", kernel, vkd__load_name(c->caps, false, c->in[0].dtype));
    vkd__groups_1d(c, vkd__div_up(vkd__numel(over.shape) / 4, 64), groups);
    struct vkd_dispatch *d = vkd__dispatch(p, variant, &pc, sizeof(pc), groups[0], groups[1], groups[2]);
    vkd__load_spec(d, c->in[0].dtype);
    return d;
}
