// mean.c -- y = mean of x over the dimensions of attr.axes.
#include "../reduce.h"

// One over the number of elements that are averaged; padding does not count.
static double weight(const struct vkd_call *c)
{
    double count = 1;
    for (int i = 0; i < 4; i++)
        if (c->attr.axes >> i & 1)
            count *= c->in[0].shape.d[i];
    return 1 / count;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    vkd__reduce(c, p, VKD_IN(0), VKD_OUT(0), c->in[0], c->attr.axes, (float) weight(c));
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    vkd__reduce_back(c, p, VKD_DOUT, VKD_DIN(0), c->in[0].shape, c->attr.axes, (float) weight(c));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    vkd__reduce_ref(c, in[0], out[0], weight(c));
}

const struct vkd_op vkd_op_mean = {
    .name = "mean",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .shape = vkd__reduce_shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
