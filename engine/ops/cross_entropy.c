// cross_entropy.c -- mean over the images of (1 - e) (-log p_label) + e mean(-log p), p = softmax(logits).
//
// A label of 0xffffffff leaves its image out; a label that is no class makes the loss NaN. A third input (1, 1, 1, C)
// are weights w of the classes, as PyTorch has them: the images' (1 - e) (-w_label log p_label) + e mean(-w log p)
// added, over the sum of w_label.
#include "../op_loss.h"
#include "../op_rows.h"

#include <math.h>

enum { LOGITS, LABELS, WEIGHTS };
enum { LOSS, SAVED, WEIGHT };   // SAVED: max, log sum exp(x - max), w_label and sum w per row; WEIGHT: 1 / rows with a
                                // label, or over the sum of their w
enum { ROWS_MAX = 128 * 4096 };

static bool shape(struct vkd_call *c)
{
    uint32_t rows = vkd__rows(c->in[LOGITS].shape);
    if (!vkd__rows_check(c))
        return false;
    if (c->in[LABELS].dtype != VKD_U32 || vkd__rows(c->in[LABELS].shape) != 1 || c->in[LABELS].shape.d[3] != rows)
        return vkd__reject(c, "labels must be u32 (1, 1, 1, %u), found %u x %u", rows, vkd__rows(c->in[LABELS].shape),
                           c->in[LABELS].shape.d[3]);
    if (rows > ROWS_MAX)
        return vkd__reject(c, "at most %d rows of logits, found %u", ROWS_MAX, rows);
    if (!(c->attr.label_smoothing >= 0 && c->attr.label_smoothing <= 1))
        return vkd__reject(c, "label smoothing must be in 0 ... 1, found %g", (double) c->attr.label_smoothing);
    if (c->in_count > WEIGHTS && !vkd__class_weights_check(c))
        return false;
    c->out[LOSS] = c->out[WEIGHT] = (struct vkd_desc) { { { 1, 1, 1, 1 } }, VKD_F32 };
    c->out[SAVED] = (struct vkd_desc) { { { 1, 1, rows, 4 } }, VKD_F32 };
    c->out_count = 3;
    return true;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    vkd__scratch(p, 0, 4 * (uint64_t) vkd__pad4(pc.rows));
    const bool weighted = c->in_count > WEIGHTS;
    struct vkd_dispatch *d = vkd__rows_dispatch(c, p, weighted ? "cross_entropy.weighted" : "cross_entropy.plain");
    vkd__bind(d, VKD_IN(LOGITS));
    vkd__bind(d, VKD_IN(LABELS));
    vkd__bind(d, VKD_OUT(SAVED));
    vkd__bind(d, VKD_SCRATCH(0));
    if (weighted)
        vkd__bind(d, VKD_IN(WEIGHTS));
    d = vkd__dispatch(p, weighted ? "cross_entropy_finish.weighted" : "cross_entropy_finish.plain", &pc, sizeof(pc), 1, 1,
                      1);
    vkd__bind(d, VKD_SCRATCH(0));
    vkd__bind(d, VKD_IN(LABELS));
    vkd__bind(d, VKD_OUT(LOSS));
    vkd__bind(d, VKD_OUT(WEIGHT));
    if (weighted)
        vkd__bind(d, VKD_IN(WEIGHTS));
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    const bool weighted = c->in_count > WEIGHTS;
    struct vkd_dispatch *d = vkd__rows_elements(c, p, weighted ? "cross_entropy_back.weighted"
                                                               : "cross_entropy_back.plain");
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, VKD_OUT(WEIGHT));
    vkd__bind(d, VKD_IN(LOGITS));
    vkd__bind(d, VKD_IN(LABELS));
    vkd__bind(d, VKD_OUT(SAVED));
    vkd__bind(d, VKD_DIN(LOGITS));
    if (weighted)
        vkd__bind(d, VKD_IN(WEIGHTS));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    double total = 0, count = 0, e = pc.smoothing;
    for (uint32_t r = 0; r < pc.rows; r++) {
        const double *x = in[LOGITS] + (uint64_t) r * pc.c4 * 4;
        const double *w = c->in_count > WEIGHTS ? in[WEIGHTS] : NULL;
        double label = in[LABELS][r], top = x[0], sum = 0, all = 0, mass = 0;
        double of_label = !w ? 1 : label < pc.c ? w[(uint32_t) label] : 0;
        for (uint32_t i = 1; i < pc.c; i++)
            top = fmax(top, x[i]);
        for (uint32_t i = 0; i < pc.c; i++) {
            sum += exp(x[i] - top);
            all += (w ? w[i] : 1) * (top - x[i]);
            mass += w ? w[i] : 1;
        }
        out[SAVED][4 * r] = top;
        out[SAVED][4 * r + 1] = log(sum);
        out[SAVED][4 * r + 2] = of_label;
        out[SAVED][4 * r + 3] = mass;
        if (label == 4294967295.0)
            continue;
        count += of_label;
        total += label < pc.c ? (1 - e) * of_label * (top - x[(uint32_t) label] + log(sum)) +
                 e * (all + mass * log(sum)) / pc.c : NAN;
    }
    for (int i = 0; i < 4; i++)
        out[LOSS][i] = out[WEIGHT][i] = 0;
    if (count > 0) {
        out[LOSS][0] = total / count;
        out[WEIGHT][0] = 1 / count;
    }
}

const struct vkd_op vkd_op_cross_entropy = {
    .name = "cross_entropy",
    .in_min = 2,
    .in_max = 3,
    .grad_in = 1u << LOGITS,
    .reads_in = 1u << LOGITS | 1u << LABELS | 1u << WEIGHTS,
    .reads_out = 1u << SAVED | 1u << WEIGHT,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
