// mse.c -- mean over all elements of (x - t)^2.
#include "../op_loss.h"

static void forward(const struct vkd_call *c, struct vkd_plan *p) { vkd__loss_forward(c, p, "mse"); }

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    bool want_x = c->want & 1, want_t = c->want >> 1 & 1;
    struct vkd_dispatch *d = vkd__loss_backward(c, p, "mse_back");
    vkd__bind(d, want_x ? VKD_DIN(0) : VKD_DIN(1));
    vkd__bind(d, want_t ? VKD_DIN(1) : VKD_DIN(0));
    if (d) {
        d->spec[d->spec_count++] = want_x;
        d->spec[d->spec_count++] = want_t;
    }
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_shape s = c->in[0].shape;
    double sum = 0;
    for (uint64_t i = 0; i < vkd__numel(s); i++)
        sum += (in[0][i] - in[1][i]) * (in[0][i] - in[1][i]);
    out[0][0] = sum / ((double) vkd__rows(s) * s.d[3]);
    out[0][1] = out[0][2] = out[0][3] = 0;
}

const struct vkd_op vkd_op_mse = {
    .name = "mse",
    .in_min = 2,
    .in_max = 2,
    .grad_in = 3,
    .reads_in = 3,
    .shape = vkd__loss_shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
