// slice_rows.c -- y = x's attr.begin ... attr.end - 1 of the first dimension.
#include "../channels.h"

static bool shape(struct vkd_call *c)
{
    uint32_t begin = c->attr.begin, end = c->attr.end, have = c->in[0].shape.d[0];
    if (begin >= end || end > have)
        return vkd__reject(c, "begin < end <= %u (the rows) must hold, found [%u, %u)", have, begin, end);
    vkd__shape_same(c);
    c->out[0].shape.d[0] = end - begin;
    return true;
}

// Where y starts in x.
static uint32_t start(const struct vkd_call *c)
{
    return (uint32_t) (vkd__numel(c->in[0].shape) / c->in[0].shape.d[0]) * c->attr.begin;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_shape x = vkd__one_row(c->in[0].shape), y = vkd__one_row(c->out[0].shape);
    vkd__channels(c, p, VKD_IN(0), x, start(c), VKD_OUT(0), y, 0, y.d[3], true);
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_shape x = vkd__one_row(c->in[0].shape), y = vkd__one_row(c->out[0].shape);
    vkd__channels(c, p, VKD_DOUT, y, 0, VKD_DIN(0), x, start(c), y.d[3], true);
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    for (uint64_t i = 0; i < vkd__numel(c->out[0].shape); i++)
        out[0][i] = in[0][start(c) + i];
}

const struct vkd_op vkd_op_slice_rows = {
    .name = "slice_rows",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
