// soft_cross_entropy.c -- mean over the rows of -sum_k q_k log softmax(alpha x)_k: logits x, targets q of one shape,
// alpha one over the temperature. Targets need not sum to 1; no gradient flows to them.
#include "../op_rows.h"
#include "pc_loss.h"

#include <math.h>

enum { LOGITS, TARGETS };
enum { LOSS, SAVED };           // SAVED: max x, log sum exp(alpha (x - max)), sum q per row
enum { ROWS_MAX = 64 * 4096 };

static bool shape(struct vkd_call *c)
{
    const uint32_t *x = c->in[LOGITS].shape.d, *t = c->in[TARGETS].shape.d;
    uint32_t rows = vkd__rows(c->in[LOGITS].shape);
    if (!vkd__rows_check(c))
        return false;
    if (c->in[TARGETS].dtype != VKD_F32 || x[0] != t[0] || x[1] != t[1] || x[2] != t[2] || x[3] != t[3])
        return vkd__reject(c, "targets must be f32 of the logits' shape (%u, %u, %u, %u), found (%u, %u, %u, %u)", x[0],
                           x[1], x[2], x[3], t[0], t[1], t[2], t[3]);
    if (rows > ROWS_MAX)
        return vkd__reject(c, "at most %d rows of logits, found %u", ROWS_MAX, rows);
    if (!(c->attr.alpha > 0))
        return vkd__reject(c, "alpha must be above 0, found %g", (double) c->attr.alpha);
    c->out[LOSS] = (struct vkd_desc) { { { 1, 1, 1, 1 } }, VKD_F32 };
    c->out[SAVED] = (struct vkd_desc) { { { 1, 1, rows, 3 } }, VKD_F32 };
    c->out_count = 2;
    return true;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    uint32_t rows = vkd__rows(c->in[LOGITS].shape);
    vkd__scratch(p, 0, 4 * (uint64_t) vkd__pad4(rows));
    struct vkd_dispatch *d = vkd__rows_dispatch(c, p, "soft_cross_entropy");
    vkd__bind(d, VKD_IN(LOGITS));
    vkd__bind(d, VKD_IN(TARGETS));
    vkd__bind(d, VKD_OUT(SAVED));
    vkd__bind(d, VKD_SCRATCH(0));
    struct vkd_pc_loss pc = { .count = rows, .scale = 1.0f / (float) rows };
    d = vkd__dispatch(p, "loss_finish.all", &pc, sizeof(pc), 1, 1, 1);
    vkd__bind(d, VKD_SCRATCH(0));
    vkd__bind(d, VKD_OUT(LOSS));
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__rows_elements(c, p, "soft_cross_entropy_back");
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, VKD_IN(LOGITS));
    vkd__bind(d, VKD_IN(TARGETS));
    vkd__bind(d, VKD_OUT(SAVED));
    vkd__bind(d, VKD_DIN(LOGITS));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    double total = 0, alpha = (double) c->attr.alpha;
    for (uint32_t r = 0; r < pc.rows; r++) {
        const double *x = in[LOGITS] + (uint64_t) r * pc.c4 * 4, *q = in[TARGETS] + (uint64_t) r * pc.c4 * 4;
        double top = x[0], sum = 0, mass = 0, *saved = out[SAVED] + 4 * (uint64_t) r;
        for (uint32_t i = 1; i < pc.c; i++)
            top = fmax(top, x[i]);
        for (uint32_t i = 0; i < pc.c; i++) {
            sum += exp(alpha * (x[i] - top));
            mass += q[i];
        }
        for (uint32_t i = 0; i < pc.c; i++)
            total += q[i] * (log(sum) - alpha * (x[i] - top));
        saved[0] = top;
        saved[1] = log(sum);
        saved[2] = mass;
        saved[3] = 0;
    }
    out[LOSS][0] = total / pc.rows;
    out[LOSS][1] = out[LOSS][2] = out[LOSS][3] = 0;
}

const struct vkd_op vkd_op_soft_cross_entropy = {
    .name = "soft_cross_entropy",
    .in_min = 2,
    .in_max = 2,
    .grad_in = 1u << LOGITS,
    .reads_in = 1u << LOGITS | 1u << TARGETS,
    .reads_out = 1u << SAVED,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
