// variance_hinge.c -- how much variances v fall short of 1: the mean over all elements of max(0, 1 - sqrt(v + eps)).
// eps must be above 0; it bounds the gradient.
#include "../op_loss.h"

#include <math.h>

static bool shape(struct vkd_call *c)
{
    if (!(c->attr.eps > 0))
        return vkd__reject(c, "eps must be above 0, found %g", (double) c->attr.eps);
    return vkd__loss_shape(c);
}

static void forward(const struct vkd_call *c, struct vkd_plan *p) { vkd__loss_forward(c, p, "variance_hinge"); }

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__loss_backward(c, p, "variance_hinge_back");
    vkd__bind(d, VKD_DIN(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_shape s = c->in[0].shape;
    double sum = 0;
    for (uint64_t i = 0; i < vkd__numel(s); i++) {
        double short_of = 1 - sqrt(in[0][i] + (double) c->attr.eps);
        if (i % vkd__pad4(s.d[3]) < s.d[3] && !(short_of <= 0))
            sum += short_of;
    }
    out[0][0] = sum / ((double) vkd__rows(s) * s.d[3]);
    out[0][1] = out[0][2] = out[0][3] = 0;
}

const struct vkd_op vkd_op_variance_hinge = {
    .name = "variance_hinge",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .reads_in = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
