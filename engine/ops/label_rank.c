// label_rank.c -- how many logits precede the label's, 0 being what argmax picks: greater ones, equal
// ones of a lower class, NaN. 0xffffffff without a label; C for a label whose logit is NaN or missing.
#include "../op_rows.h"

#include <math.h>

static bool shape(struct vkd_call *c)
{
    uint32_t rows = vkd__rows(c->in[0].shape);
    if (!vkd__rows_check(c))
        return false;
    if (c->in[1].dtype != VKD_U32 || vkd__rows(c->in[1].shape) != 1 || c->in[1].shape.d[3] != rows)
        return vkd__reject(c, "labels must be u32 (1, 1, 1, %u), found %u x %u", rows, vkd__rows(c->in[1].shape),
                           c->in[1].shape.d[3]);
    c->out[0] = c->in[1];
    c->out_count = 1;
    return true;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__rows_dispatch(c, p, "label_rank");
    vkd__bind(d, VKD_IN(0));
    vkd__bind(d, VKD_IN(1));
    vkd__bind(d, VKD_OUT(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    for (uint32_t r = 0; r < vkd__pad4(pc.rows); r++)
        out[0][r] = 0;
    for (uint32_t r = 0; r < pc.rows; r++) {
        const double *x = in[0] + (uint64_t) r * pc.c4 * 4;
        uint32_t label = (uint32_t) in[1][r], count = 0;
        if (label >= pc.c || isnan(x[label])) {
            out[0][r] = label == 0xffffffffu ? in[1][r] : pc.c;
            continue;
        }
        for (uint32_t i = 0; i < pc.c; i++)
            count += x[i] > x[label] || isnan(x[i]) || (x[i] == x[label] && i < label);
        out[0][r] = count;
    }
}

const struct vkd_op vkd_op_label_rank = {
    .name = "label_rank",
    .in_min = 2,
    .in_max = 2,
    .shape = shape,
    .forward = forward,
    .ref = ref,
};
