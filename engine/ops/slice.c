// slice.c -- y = channels attr.begin ... attr.end - 1 of x.
#include "../channels.h"

static bool shape(struct vkd_call *c)
{
    uint32_t begin = c->attr.begin, end = c->attr.end, have = c->in[0].shape.d[3];
    if (!vkd__is_real(c->in[0].dtype))
        return vkd__reject(c, "the input must be f32, f16 or bf16, found %s", vkd__dtype_name(c->in[0].dtype));
    if (begin >= end || end > have)
        return vkd__reject(c, "begin < end <= %u (the channels) must hold, found [%u, %u)", have, begin, end);
    vkd__shape_same(c);
    c->out[0].shape.d[3] = end - begin;
    return true;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_shape x = c->in[0].shape, y = c->out[0].shape;
    vkd__channels(c, p, VKD_IN(0), x, c->attr.begin, VKD_OUT(0), y, 0, y.d[3], true);
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_shape x = c->in[0].shape, y = c->out[0].shape;
    vkd__channels(c, p, VKD_DOUT, y, 0, VKD_DIN(0), x, c->attr.begin, y.d[3], true);
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    uint32_t from = vkd__pad4(c->in[0].shape.d[3]), to = vkd__pad4(c->out[0].shape.d[3]), width = c->out[0].shape.d[3];
    for (uint64_t row = 0; row < vkd__rows(c->in[0].shape); row++)
        for (uint32_t i = 0; i < to; i++)
            out[0][row * to + i] = i < width ? in[0][row * from + c->attr.begin + i] : 0;
}

const struct vkd_op vkd_op_slice = {
    .name = "slice",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
