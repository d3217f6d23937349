// scale.c -- y = alpha x.
#include "../elementwise.h"

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    vkd__scale(c, p, VKD_IN(0), VKD_OUT(0), c->attr.alpha);
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    vkd__scale(c, p, VKD_DOUT, VKD_DIN(0), c->attr.alpha);
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    for (uint64_t i = 0; i < vkd__numel(c->in[0].shape); i++)
        out[0][i] = (double) c->attr.alpha * in[0][i];
}

const struct vkd_op vkd_op_scale = {
    .name = "scale",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .in_place = true,
    .in_place_grad = true,
    .shape = vkd__elementwise_shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
