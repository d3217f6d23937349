// column_std.c -- y(1, 1, 1, C) = the standard deviation of each column over all rows, sqrt(mean (x - mean)^2).
// No gradient: for monitors.
#include "../op_rows.h"

#include <math.h>

enum { ROWS_MAX = 64 * 4096 };  // a thread sums at most 4096 values

static bool shape(struct vkd_call *c)
{
    uint32_t rows = vkd__rows(c->in[0].shape);
    if (!vkd__rows_check(c))
        return false;
    if (rows > ROWS_MAX)
        return vkd__reject(c, "at most %d rows, found %u", ROWS_MAX, rows);
    c->out[0] = (struct vkd_desc) { { { 1, 1, 1, c->in[0].shape.d[3] } }, VKD_F32 };
    c->out_count = 1;
    return true;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    uint32_t groups[3];
    vkd__groups_1d(c, pc.c4, groups);
    struct vkd_dispatch *d = vkd__dispatch(p, "column_std", &pc, sizeof(pc), groups[0], groups[1], groups[2]);
    vkd__bind(d, VKD_IN(0));
    vkd__bind(d, VKD_OUT(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    for (uint32_t i = 0; i < 4 * pc.c4; i++) {
        double mean = 0, square = 0;
        for (uint32_t r = 0; r < pc.rows; r++)
            mean += in[0][(uint64_t) r * pc.c4 * 4 + i] / pc.rows;
        for (uint32_t r = 0; r < pc.rows; r++)
            square += pow(in[0][(uint64_t) r * pc.c4 * 4 + i] - mean, 2);
        out[0][i] = sqrt(square / pc.rows);
    }
}

const struct vkd_op vkd_op_column_std = {
    .name = "column_std",
    .in_min = 1,
    .in_max = 1,
    .shape = shape,
    .forward = forward,
    .ref = ref,
};
