// identity_mse.c -- how far a square matrix x is from the identity: the mean over all elements of
// w (x - identity)^2, w = attr.alpha on the diagonal and attr.beta off it.
#include "../op_loss.h"

static bool shape(struct vkd_call *c)
{
    struct vkd_shape s = c->in[0].shape;
    if (vkd__rows(s) != s.d[3])
        return vkd__reject(c, "the matrix must be square, found %u x %u", vkd__rows(s), s.d[3]);
    return vkd__loss_shape(c);
}

static void forward(const struct vkd_call *c, struct vkd_plan *p) { vkd__loss_forward(c, p, "identity_mse"); }

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__loss_backward(c, p, "identity_mse_back");
    vkd__bind(d, VKD_DIN(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    uint32_t n = c->in[0].shape.d[3];
    double on = 0, off = 0;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++) {
            double x = in[0][(uint64_t) i * vkd__pad4(n) + j];
            on += i == j ? (x - 1) * (x - 1) : 0;
            off += i == j ? 0 : x * x;
        }
    out[0][0] = ((double) c->attr.alpha * on + (double) c->attr.beta * off) / ((double) n * n);
    out[0][1] = out[0][2] = out[0][3] = 0;
}

const struct vkd_op vkd_op_identity_mse = {
    .name = "identity_mse",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .reads_in = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
