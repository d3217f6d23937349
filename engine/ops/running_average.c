// running_average.c -- a state s becomes m s + (1 - m) x after the backward pass; m is attr.momentum, x has its shape.
#include "../elementwise.h"

enum { STATE, X };

static bool shape(struct vkd_call *c)
{
    if (!(c->attr.momentum >= 0 && c->attr.momentum <= 1))
        return vkd__reject(c, "momentum must be in 0 ... 1, found %g", (double) c->attr.momentum);
    bool fits = vkd__elementwise_shape(c);
    c->out_count = 0;
    return fits;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    if (!c->training)
        return;
    struct vkd_pc_elementwise pc = { .alpha = c->attr.momentum };
    vkd__elementwise(c, p, "running_average", &pc, (struct vkd_slot[]) { VKD_IN(X), VKD_IN(STATE) }, 2);
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    (void) out;
    double m = (double) c->attr.momentum;
    for (uint64_t i = 0; c->training && i < vkd__numel(c->in[X].shape); i++)
        in[STATE][i] = m * in[STATE][i] + (1 - m) * in[X][i];
}

const struct vkd_op vkd_op_running_average = {
    .name = "running_average",
    .in_min = 2,
    .in_max = 2,
    .updates_in = 1u << STATE,
    .late = true,
    .shape = shape,
    .forward = forward,
    .ref = ref,
};
