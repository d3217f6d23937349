// sinkhorn.c -- scores (N, 1, 1, K) of samples b and prototypes k -> codes (N, 1, 1, K), samples shared out evenly:
//
//   Q (K, B) = exp(scores / eps)^T;  Q /= its sum
//   attr.iterations times (0: 3):  rows /= their sum * K;  columns /= their sum * B
//   codes = (Q * B)^T
//
// So each sample's codes sum to 1, and a prototype's only approach B / K. A second input, scores (.., K) of queued
// samples, takes part while the step block's queue_on is 1: B = N + its rows; its own codes are not kept. No gradient.
//
// On the device Q is never stored: log Q_kb = (scores_bk - top_b) / eps + f_k + g_b, where top_b is the largest score
// of the sample. Constants in f or g cancel, so sums, K and B are left out; logarithms hold for any scores and eps.
#include "../op_rows.h"
#include "pc_sinkhorn.h"
#include "step_block.h"

#include <math.h>
#include <stdlib.h>

enum { SCORES, QUEUED };
enum { ROWS_OWN, ROWS_QUEUED, PARTIAL, COLUMNS };   // scratch: (top, g) per row twice, (max, sum) per chunk, f
enum { ROWS_MAX = 2048 * 32, ITERATIONS_MAX = 100 };

static bool shape(struct vkd_call *c)
{
    uint32_t rows = 0;
    if (!vkd__rows_shape(c))
        return false;
    for (uint32_t i = 0; i < c->in_count; i++) {
        if (c->in[i].dtype != VKD_F32 || c->in[i].shape.d[3] != c->in[SCORES].shape.d[3])
            return vkd__reject(c, "queued scores must be f32 of %u prototypes, found %u", c->in[SCORES].shape.d[3],
                               c->in[i].shape.d[3]);
        rows += vkd__rows(c->in[i].shape);
    }
    if (rows > ROWS_MAX)
        return vkd__reject(c, "at most %d samples, found %u", ROWS_MAX, rows);
    if (!(c->attr.eps > 0))
        return vkd__reject(c, "eps must be above 0, found %g", (double) c->attr.eps);
    if (c->attr.iterations > ITERATIONS_MAX)
        return vkd__reject(c, "at most %d iterations, found %u", ITERATIONS_MAX, c->attr.iterations);
    return true;
}

static uint32_t chunks(const struct vkd_call *c, uint32_t input)
{
    return input < c->in_count ? vkd__div_up(vkd__rows(c->in[input].shape), VKD_SINKHORN_CHUNK) : 0;
}

// One dispatch over the rows of an input: tops; or g from f; or the codes from f.
enum stage { START, SCALE, CODES };
static void over_rows(const struct vkd_call *c, struct vkd_plan *p, enum stage stage, uint32_t input)
{
    static const char *const kernels[] = { "sinkhorn_rows.start", "sinkhorn_rows.scale", "sinkhorn_rows.codes" };
    struct vkd_dispatch *d = vkd__rows_dispatch_of(c, p, kernels[stage], input);
    if (d)
        d->spec[d->spec_count++] = input == QUEUED;
    vkd__bind(d, VKD_STEP);
    vkd__bind(d, VKD_IN(input));
    vkd__bind(d, stage == START ? VKD_IN(SCORES) : VKD_SCRATCH(COLUMNS));
    vkd__bind(d, VKD_SCRATCH(input == QUEUED ? ROWS_QUEUED : ROWS_OWN));
    if (stage == CODES)
        vkd__bind(d, VKD_OUT(0));
}

// f = -log sum over all samples, chunk by chunk.
static void over_columns(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_pc_sinkhorn pc = { .c4 = vkd__pad4(c->in[SCORES].shape.d[3]) / 4, .eps = c->attr.eps };
    struct vkd_dispatch *d;
    uint32_t groups[3];
    for (uint32_t i = 0; i < c->in_count; i++) {
        pc.rows = vkd__rows(c->in[i].shape);
        pc.first += pc.chunks;
        pc.chunks = chunks(c, i);
        vkd__groups_1d(c, vkd__div_up((uint64_t) pc.chunks * pc.c4, 64), groups);
        d = vkd__dispatch(p, "sinkhorn_columns", &pc, sizeof(pc), groups[0], groups[1], groups[2]);
        if (d)
            d->spec[d->spec_count++] = i == QUEUED;
        vkd__bind(d, VKD_STEP);
        vkd__bind(d, VKD_IN(i));
        vkd__bind(d, VKD_SCRATCH(i == QUEUED ? ROWS_QUEUED : ROWS_OWN));
        vkd__bind(d, VKD_SCRATCH(PARTIAL));
    }
    pc.chunks += pc.first;
    pc.first = 0;
    vkd__groups_1d(c, vkd__div_up(pc.c4, 64), groups);
    d = vkd__dispatch(p, "sinkhorn_columns_finish", &pc, sizeof(pc), groups[0], groups[1], groups[2]);
    vkd__bind(d, VKD_SCRATCH(PARTIAL));
    vkd__bind(d, VKD_SCRATCH(COLUMNS));
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    uint64_t row_size = 4 * (uint64_t) vkd__pad4(c->in[SCORES].shape.d[3]);
    uint32_t iterations = c->attr.iterations ? c->attr.iterations : 3;
    vkd__scratch(p, PARTIAL, 2 * row_size * (chunks(c, SCORES) + chunks(c, QUEUED)));
    vkd__scratch(p, COLUMNS, row_size);
    for (uint32_t i = 0; i < c->in_count; i++) {
        vkd__scratch(p, i == QUEUED ? ROWS_QUEUED : ROWS_OWN, 8 * (uint64_t) vkd__pad4(vkd__rows(c->in[i].shape)));
        over_rows(c, p, START, i);
    }
    for (uint32_t k = 0; k < iterations; k++) {
        bool last = k + 1 == iterations;
        over_columns(c, p);
        over_rows(c, p, last ? CODES : SCALE, SCORES);
        if (!last && c->in_count > QUEUED)
            over_rows(c, p, SCALE, QUEUED);
    }
}

// Scales `count` numbers, `stride` apart, to the sum `total`.
static void share_out(double *q, uint32_t count, uint32_t stride, double total)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += q[(size_t) i * stride];
    for (uint32_t i = 0; i < count; i++)
        q[(size_t) i * stride] *= total / sum;
}

// The definition, literally; Q is (samples, pad4(K)) here.
static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    uint32_t own = vkd__rows(c->in[SCORES].shape), k = c->in[SCORES].shape.d[3], width = vkd__pad4(k), rows = own;
    uint32_t iterations = c->attr.iterations ? c->attr.iterations : 3;
    if (c->in_count > QUEUED && c->step->queue_on)
        rows += vkd__rows(c->in[QUEUED].shape);
    double *q = calloc((size_t) rows * width, sizeof(*q)), top = -INFINITY;
    for (uint32_t b = 0; q && b < rows; b++)
        for (uint32_t i = 0; i < k; i++) {
            double *at = q + (size_t) b * width + i;
            *at = b < own ? in[SCORES][(size_t) b * width + i] : in[QUEUED][(size_t) (b - own) * width + i];
            top = fmax(top, *at);
        }
    // Its sum is left out: the first rows' sums take any factor.
    for (uint32_t b = 0; q && b < rows; b++)
        for (uint32_t i = 0; i < k; i++)
            q[(size_t) b * width + i] = exp((q[(size_t) b * width + i] - top) / (double) c->attr.eps);
    for (uint32_t n = 0; q && n < iterations; n++) {
        for (uint32_t i = 0; i < k; i++)
            share_out(q + i, rows, width, 1.0 / k);
        for (uint32_t b = 0; b < rows; b++)
            share_out(q + (size_t) b * width, k, 1, 1.0 / rows);
    }
    for (size_t i = 0; i < (size_t) own * width; i++)
        out[0][i] = q ? q[i] * rows : NAN;
    free(q);
}

const struct vkd_op vkd_op_sinkhorn = {
    .name = "sinkhorn",
    .in_min = 1,
    .in_max = 2,
    .shape = shape,
    .forward = forward,
    .ref = ref,
};
