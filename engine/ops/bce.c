// bce.c -- binary cross entropy of logits x and targets t, mean over all elements:
// max(x, 0) - x t + log(1 + exp(-|x|)).
#include "../op_loss.h"

#include <math.h>

static void forward(const struct vkd_call *c, struct vkd_plan *p) { vkd__loss_forward(c, p, "bce"); }

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    vkd__bind(vkd__loss_backward(c, p, "bce_back"), VKD_DIN(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_shape s = c->in[0].shape;
    double sum = 0;
    for (uint64_t i = 0; i < vkd__numel(s); i++) {
        double x = in[0][i];
        if (i % vkd__pad4(s.d[3]) < s.d[3])
            sum += fmax(x, 0) - x * in[1][i] + log1p(exp(-fabs(x)));
    }
    out[0][0] = sum / ((double) vkd__rows(s) * s.d[3]);
    out[0][1] = out[0][2] = out[0][3] = 0;
}

const struct vkd_op vkd_op_bce = {
    .name = "bce",
    .in_min = 2,
    .in_max = 2,
    .grad_in = 1,
    .reads_in = 3,
    .shape = vkd__loss_shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
