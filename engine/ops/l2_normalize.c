// l2_normalize.c -- y = x / max(|x|, eps) over C; eps 1e-12 by default.
#include "../op_rows.h"

#include <math.h>

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__rows_dispatch(c, p, "l2_normalize.backward");
    vkd__bind(d, VKD_IN(0));
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, VKD_DIN(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    for (uint32_t r = 0; r < pc.rows; r++) {
        const double *x = in[0] + (uint64_t) r * pc.c4 * 4;
        double square = 0;
        for (uint32_t i = 0; i < pc.c; i++)
            square += x[i] * x[i];
        for (uint32_t i = 0; i < 4 * pc.c4; i++)
            out[0][(uint64_t) r * pc.c4 * 4 + i] = x[i] / fmax(sqrt(square), (double) pc.eps);
    }
}

const struct vkd_op vkd_op_l2_normalize = {
    .name = "l2_normalize",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .reads_in = 1,
    .shape = vkd__rows_shape,
    .forward = vkd__rows_forward,
    .backward = backward,
    .ref = ref,
};
