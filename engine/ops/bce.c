// bce.c -- binary cross entropy of logits x and targets t, mean over the elements whose target is known:
// max(x, 0) - x t + log(1 + exp(-|x|)). A target below 0 is unknown. A third input (1, 1, 1, C) weighs the part of
// each class that is multiplied by t (PyTorch's pos_weight); the mean stays that over elements.
#include "../op_loss.h"

#include <math.h>

enum { LOSS, WEIGHT };      // WEIGHT: 1 / known targets, 0 without any

static bool shape(struct vkd_call *c)
{
    if (!vkd__loss_shape(c) || (c->in_count > 2 && !vkd__class_weights_check(c)))
        return false;
    c->out[WEIGHT] = c->out[LOSS];
    c->out_count = 2;
    return true;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    vkd__loss_forward(c, p, c->in_count > 2 ? "bce.weighted" : "bce.plain");
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__loss_backward(c, p, c->in_count > 2 ? "bce_back.weighted" : "bce_back.plain");
    vkd__bind(d, VKD_OUT(WEIGHT));
    vkd__bind(d, VKD_DIN(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_shape s = c->in[0].shape;
    double sum = 0, known = 0;
    for (uint64_t i = 0; i < vkd__numel(s); i++) {
        double x = in[0][i], t = in[1][i], w = c->in_count > 2 ? in[2][i % vkd__pad4(s.d[3])] : 1;
        if (i % vkd__pad4(s.d[3]) >= s.d[3] || t < 0)
            continue;
        sum += (1 - t) * x + (1 + (w - 1) * t) * (fmax(-x, 0) + log1p(exp(-fabs(x))));
        known += 1;
    }
    for (int i = 0; i < 4; i++)
        out[LOSS][i] = out[WEIGHT][i] = 0;
    if (known > 0) {
        out[LOSS][0] = sum / known;
        out[WEIGHT][0] = 1 / known;
    }
}

const struct vkd_op vkd_op_bce = {
    .name = "bce",
    .in_min = 2,
    .in_max = 3,
    .grad_in = 1,
    .reads_in = 7,
    .reads_out = 1u << WEIGHT,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
