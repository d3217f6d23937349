// relu6.c -- y = min(max(x, 0), 6).
#include "../elementwise.h"

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    for (uint64_t i = 0; i < vkd__numel(c->in[0].shape); i++) {
        double x = in[0][i];
        out[0][i] = x <= 0 ? 0 : x >= 6 ? 6 : x;
    }
}

const struct vkd_op vkd_op_relu6 = {
    .name = "relu6",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .reads_out = 1,
    .in_place = true,
    .in_place_grad = true,
    .shape = vkd__elementwise_shape,
    .forward = vkd__unary_forward,
    .backward = vkd__unary_backward,
    .ref = ref,
};
