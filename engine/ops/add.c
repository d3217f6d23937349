// add.c -- y = a + b, both of one shape.
#include "../elementwise.h"

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    vkd__elementwise(c, p, "add", NULL, (struct vkd_slot[]) { VKD_IN(0), VKD_IN(1), VKD_OUT(0) }, 3);
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    for (uint32_t i = 0; i < 2; i++)
        if (c->want >> i & 1)
            vkd__scale(c, p, VKD_DOUT, VKD_DIN(i), 1);
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    for (uint64_t i = 0; i < vkd__numel(c->in[0].shape); i++)
        out[0][i] = in[0][i] + in[1][i];
}

const struct vkd_op vkd_op_add = {
    .name = "add",
    .in_min = 2,
    .in_max = 2,
    .grad_in = 3,
    .same_grad = 3,
    .in_place = true,
    .in_place_grad = true,
    .shape = vkd__elementwise_shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
