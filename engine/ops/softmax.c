// softmax.c -- y = exp(x) / sum exp(x) over C.
#include "../op_rows.h"

#include <math.h>

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    for (uint32_t r = 0; r < pc.rows; r++) {
        const double *x = in[0] + (uint64_t) r * pc.c4 * 4;
        double *y = out[0] + (uint64_t) r * pc.c4 * 4, top = x[0], sum = 0;
        for (uint32_t i = 1; i < pc.c; i++)
            top = fmax(top, x[i]);
        for (uint32_t i = 0; i < pc.c; i++)
            sum += exp(x[i] - top);
        for (uint32_t i = 0; i < 4 * pc.c4; i++)
            y[i] = i < pc.c ? exp(x[i] - top) / sum : 0;
    }
}

const struct vkd_op vkd_op_softmax = {
    .name = "softmax",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .reads_out = 1,
    .shape = vkd__rows_shape,
    .forward = vkd__rows_forward,
    .backward = vkd__rows_backward,
    .ref = ref,
};
