// asl.c -- asymmetric loss (Ridnik et al., arXiv 2009.14119) of logits x and targets y: the sum over C, the mean over
// the rows with a known target. With p = sigmoid(x), n = min(1 - p + clip, 1), pt = y p + (1 - y) n and
// g = y gamma_pos + (1 - y) gamma_neg an element's loss is
//   -(y log p + (1 - y) log n) w,  w = (1 - pt)^g.
// A target below 0 is unknown and left out. The gradient takes w for a constant unless focal_grad is 1. The
// logarithms are not cut off below as the authors' code does at 1e-8: a hopeless image keeps its gradient.
#include "../op_rows.h"

#include <math.h>

enum { LOGITS, TARGETS };
enum { LOSS, WEIGHT };      // WEIGHT: 1 / rows with a known target, 0 without any
enum { ROWS_MAX = 128 * 4096 };

static bool shape(struct vkd_call *c)
{
    const uint32_t *x = c->in[LOGITS].shape.d, *t = c->in[TARGETS].shape.d;
    const struct vkd_attr *a = &c->attr;
    if (!vkd__rows_check(c))
        return false;
    if (c->in[TARGETS].dtype != VKD_F32 || x[0] != t[0] || x[1] != t[1] || x[2] != t[2] || x[3] != t[3])
        return vkd__reject(c, "targets must be f32 of the logits' shape (%u, %u, %u, %u), found (%u, %u, %u, %u)", x[0],
                           x[1], x[2], x[3], t[0], t[1], t[2], t[3]);
    if (vkd__rows(c->in[LOGITS].shape) > ROWS_MAX)
        return vkd__reject(c, "at most %d rows of logits, found %u", ROWS_MAX, vkd__rows(c->in[LOGITS].shape));
    if (!(a->gamma_neg >= 0 && a->gamma_neg <= 100 && a->gamma_pos >= 0 && a->gamma_pos <= 100))
        return vkd__reject(c, "gammas must be in 0 ... 100, found %g and %g", (double) a->gamma_neg, (double) a->gamma_pos);
    if (!(a->clip >= 0 && a->clip < 1))
        return vkd__reject(c, "clip must be in 0 ... 1, found %g", (double) a->clip);
    c->out[LOSS] = c->out[WEIGHT] = (struct vkd_desc) { { { 1, 1, 1, 1 } }, VKD_F32 };
    c->out_count = 2;
    return true;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    for (uint32_t i = 0; i < 2; i++)
        vkd__scratch(p, i, 4 * (uint64_t) vkd__pad4(pc.rows));
    struct vkd_dispatch *d = vkd__rows_dispatch(c, p, "asl");
    vkd__bind(d, VKD_IN(LOGITS));
    vkd__bind(d, VKD_IN(TARGETS));
    vkd__bind(d, VKD_SCRATCH(0));
    vkd__bind(d, VKD_SCRATCH(1));
    // A row without a known target says so as an image without a label does.
    vkd__rows_mean(c, p, WEIGHT);
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__rows_elements(c, p, "asl_back");
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, VKD_OUT(WEIGHT));
    vkd__bind(d, VKD_IN(LOGITS));
    vkd__bind(d, VKD_IN(TARGETS));
    vkd__bind(d, VKD_DIN(LOGITS));
}

static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }

static double element(const struct vkd_attr *a, double x, double y)
{
    double p = exp(-softplus(-x)), q = exp(-softplus(x)), clip = (double) a->clip;
    double log_n = clip > 0 ? log(q + fmin(p, clip)) : -softplus(x);
    double base = y * q + (1 - y) * fmax(p - clip, 0);
    double gamma = y * (double) a->gamma_pos + (1 - y) * (double) a->gamma_neg;
    return (y * softplus(-x) - (1 - y) * log_n) * pow(base, gamma);
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    double sum = 0, known = 0;
    for (uint32_t r = 0; r < pc.rows; r++) {
        const double *x = in[LOGITS] + (uint64_t) r * pc.c4 * 4, *y = in[TARGETS] + (uint64_t) r * pc.c4 * 4;
        bool any = false;
        for (uint32_t i = 0; i < pc.c; i++) {
            if (y[i] < 0)
                continue;
            any = true;
            sum += isnan(x[i]) || isnan(y[i]) ? NAN : element(&c->attr, x[i], y[i]);
        }
        known += any;
    }
    for (int i = 0; i < 4; i++)
        out[LOSS][i] = out[WEIGHT][i] = 0;
    if (known > 0) {
        out[LOSS][0] = sum / known;
        out[WEIGHT][0] = 1 / known;
    }
}

const struct vkd_op vkd_op_asl = {
    .name = "asl",
    .in_min = 2,
    .in_max = 2,
    .grad_in = 1u << LOGITS,
    .reads_in = 1u << LOGITS | 1u << TARGETS,
    .reads_out = 1u << WEIGHT,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
