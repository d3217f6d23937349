// contrast.c -- how well each row of a similarity matrix s (R, 1, 1, R) picks out the rows of its own label:
//
//   mean over anchors i of 1 / |P(i)| sum_{p in P(i)} (log sum_{a != i} exp s_ia - s_ip)
//
// P(i) are the other rows with i's label, u32 (1, 1, 1, R). s is already divided by the temperature. A row without
// positives is no anchor: the mean leaves it out, but as an a it counts. A label of 0xffffffff has no positives.
// NT-Xent (SimCLR) has labels 0 ... N-1 twice; with classes it is SupCon's L_out.
#include "../op_rows.h"

#include <math.h>

enum { SIMILARITY, LABELS };
enum { LOSS, SAVED, WEIGHT };   // SAVED: max, log sum exp(s - max), 1 / |P| per row; WEIGHT: 1 / anchors
enum { ROWS_MAX = 1 << 14 };

static bool shape(struct vkd_call *c)
{
    uint32_t rows = vkd__rows(c->in[SIMILARITY].shape), columns = c->in[SIMILARITY].shape.d[3];
    if (!vkd__rows_check(c))
        return false;
    if (rows != columns || rows > ROWS_MAX)
        return vkd__reject(c, "similarities must be square, at most %d rows, found %u x %u", ROWS_MAX, rows, columns);
    if (c->in[LABELS].dtype != VKD_U32 || vkd__rows(c->in[LABELS].shape) != 1 || c->in[LABELS].shape.d[3] != rows)
        return vkd__reject(c, "labels must be u32 (1, 1, 1, %u), found %u x %u", rows, vkd__rows(c->in[LABELS].shape),
                           c->in[LABELS].shape.d[3]);
    c->out[LOSS] = c->out[WEIGHT] = (struct vkd_desc) { { { 1, 1, 1, 1 } }, VKD_F32 };
    c->out[SAVED] = (struct vkd_desc) { { { 1, 1, rows, 3 } }, VKD_F32 };
    c->out_count = 3;
    return true;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    vkd__scratch(p, 0, 4 * (uint64_t) vkd__pad4(pc.rows));      // losses
    vkd__scratch(p, 1, 4 * (uint64_t) vkd__pad4(pc.rows));      // 0xffffffff where a row is no anchor
    struct vkd_dispatch *d = vkd__rows_dispatch(c, p, "contrast");
    vkd__bind(d, VKD_IN(SIMILARITY));
    vkd__bind(d, VKD_IN(LABELS));
    vkd__bind(d, VKD_OUT(SAVED));
    vkd__bind(d, VKD_SCRATCH(0));
    vkd__bind(d, VKD_SCRATCH(1));
    vkd__rows_mean(c, p, WEIGHT);
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__rows_elements(c, p, "contrast_back");
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, VKD_OUT(WEIGHT));
    vkd__bind(d, VKD_IN(SIMILARITY));
    vkd__bind(d, VKD_IN(LABELS));
    vkd__bind(d, VKD_OUT(SAVED));
    vkd__bind(d, VKD_DIN(SIMILARITY));
}

static bool positive(const double *labels, uint32_t i, uint32_t a)
{
    return a != i && labels[a] == labels[i] && labels[i] < 4294967295.0;
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    double total = 0, anchors = 0;
    for (uint32_t i = 0; i < pc.rows; i++) {
        const double *s = in[SIMILARITY] + (uint64_t) i * pc.c4 * 4;
        double top = -INFINITY, sum = 0, chosen = 0, count = 0, *saved = out[SAVED] + 4 * i;
        for (uint32_t a = 0; a < pc.rows; a++)
            top = a == i ? top : fmax(top, s[a]);
        for (uint32_t a = 0; a < pc.rows; a++) {
            sum += a == i ? 0 : exp(s[a] - top);
            count += positive(in[LABELS], i, a);
            chosen += positive(in[LABELS], i, a) ? s[a] - top : 0;
        }
        saved[0] = count > 0 ? top : 0;
        saved[1] = count > 0 ? log(sum) : 0;
        saved[2] = count > 0 ? 1 / count : 0;
        saved[3] = 0;
        anchors += count > 0;
        total += count > 0 ? log(sum) - chosen / count : 0;
    }
    for (int i = 0; i < 4; i++)
        out[LOSS][i] = out[WEIGHT][i] = 0;
    if (anchors > 0) {
        out[LOSS][0] = total / anchors;
        out[WEIGHT][0] = 1 / anchors;
    }
}

const struct vkd_op vkd_op_contrast = {
    .name = "contrast",
    .in_min = 2,
    .in_max = 2,
    .grad_in = 1u << SIMILARITY,
    .reads_in = 1u << SIMILARITY | 1u << LABELS,
    .reads_out = 1u << SAVED | 1u << WEIGHT,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
