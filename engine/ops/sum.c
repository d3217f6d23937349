// sum.c -- y = sum of x over the dimensions of attr.axes.
#include "../reduce.h"

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    vkd__reduce(c, p, VKD_IN(0), VKD_OUT(0), c->in[0], c->attr.axes, 1);
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    vkd__reduce_back(c, p, VKD_DOUT, VKD_DIN(0), c->in[0].shape, c->attr.axes, 1);
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    vkd__reduce_ref(c, in[0], out[0], 1);
}

const struct vkd_op vkd_op_sum = {
    .name = "sum",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .shape = vkd__reduce_shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
