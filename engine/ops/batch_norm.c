// batch_norm.c -- y = act(gamma * (x - mean) / sqrt(var + eps) + beta + residual), per channel. x, residual and y may
// be stored in 16 bits; all else is f32.
//
// Training normalises by the batch's statistics (biased variance) and moves the running ones
// (unbiased variance); evaluation uses the running ones as constants, in backward too.
#include "../op.h"
#include "pc_batch_norm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { X, GAMMA, BETA, RUNNING_MEAN, RUNNING_VAR, RESIDUAL };
enum { Y, MEAN, INVSTD };

static bool shape(struct vkd_call *c)
{
    static const char *const names[] = { "x", "gamma", "beta", "running mean", "running variance", "residual" };
    struct vkd_shape s = c->in[X].shape;
    struct vkd_shape channels = { { 1, 1, 1, s.d[3] } };
    for (uint32_t i = 0; i < c->in_count; i++) {
        struct vkd_shape want = i == X || i == RESIDUAL ? s : channels, got = c->in[i].shape;
        enum vkd_dtype type = i == X || i == RESIDUAL ? c->in[X].dtype : VKD_F32;
        if (c->in[i].dtype != type || !vkd__is_real(type))
            return vkd__reject(c, "%s must be %s, found %s", names[i], i == X ? "f32, f16 or bf16" : vkd__dtype_name(type),
                               vkd__dtype_name(c->in[i].dtype));
        for (int d = 0; d < 4; d++)
            if (got.d[d] != want.d[d])
                return vkd__reject(c, "%s must be (%u, %u, %u, %u), found (%u, %u, %u, %u)", names[i], want.d[0],
                                   want.d[1], want.d[2], want.d[3], got.d[0], got.d[1], got.d[2], got.d[3]);
    }
    if (c->attr.activation > VKD_ACT_RELU6)
        return vkd__reject(c, "activation %u is none of none, relu, relu6", c->attr.activation);
    if (c->training && vkd__rows(s) < 2)
        return vkd__reject(c, "training needs more than one value per channel, found (%u, %u, %u, %u); "
                           "use a larger batch or drop the last one", s.d[0], s.d[1], s.d[2], s.d[3]);
    c->out[Y] = c->in[X];
    c->out[MEAN] = c->out[INVSTD] = (struct vkd_desc) { channels, VKD_F32 };
    c->out_count = 3;
    return true;
}

static float eps(const struct vkd_call *c) { return c->attr.eps > 0 ? c->attr.eps : 1e-5f; }
static float momentum(const struct vkd_call *c)
{
    return c->still ? 0 : c->attr.momentum > 0 ? c->attr.momentum : 0.1f;
}

// Shares the rows among threads: at least `low` and at most `high` rows per thread, as few as
// leave 65,536 threads. GPUs want neighbouring workgroup members side by side; CPU drivers, which run
// 8 at a time, want each 8 of them to walk through memory of their own.
static struct vkd_pc_batch_norm push(const struct vkd_call *c, uint32_t low, uint32_t high)
{
    struct vkd_pc_batch_norm pc = { .rows = vkd__rows(c->in[X].shape), .c = c->in[X].shape.d[3],
                                    .eps = eps(c), .momentum = momentum(c) };
    pc.c4 = vkd__pad4(pc.c) / 4;
    uint32_t width = c->caps->cpu ? 8 : 64;
    pc.lanes = pc.c4 < width ? width / pc.c4 : 1;
    uint32_t per = vkd__div_up((uint64_t) pc.rows * pc.c4, 65536);
    pc.per_thread = per < low ? low : per > high ? high : per;
    pc.chunks = vkd__div_up(pc.rows, pc.lanes * pc.per_thread) * pc.lanes;
    return pc;
}

static struct vkd_pc_batch_norm push_sums(const struct vkd_call *c) { return push(c, c->caps->cpu ? 128 : 32, 1024); }
static struct vkd_pc_batch_norm push_apply(const struct vkd_call *c) { return push(c, c->caps->cpu ? 16 : 4, 16); }

static void add_spec(struct vkd_dispatch *d, uint32_t value)
{
    if (d)
        d->spec[d->spec_count++] = value;
}

// The first specialisation constants of every kernel.
static void add_common_spec(const struct vkd_call *c, struct vkd_dispatch *d)
{
    vkd__load_spec(d, c->in[X].dtype);
    add_spec(d, c->attr.activation);
    add_spec(d, c->in_count > RESIDUAL);
}

static struct vkd_dispatch *over_chunks(const struct vkd_call *c, struct vkd_plan *p, const char *stem,
                                        const struct vkd_pc_batch_norm *pc)
{
    char kernel[48];
    bool texel = vkd__loads_texels(c->caps, vkd__numel(c->in[X].shape));
    snprintf(kernel, sizeof(kernel), "%s.%s", stem, vkd__load_name(c->caps, texel, c->in[X].dtype));
    uint32_t groups[3];
    vkd__groups_1d(c, vkd__div_up((uint64_t) pc->chunks * pc->c4, 64), groups);
    struct vkd_dispatch *d = vkd__dispatch(p, kernel, pc, sizeof(*pc), groups[0], groups[1], groups[2]);
    add_common_spec(c, d);
    return d;
}

static struct vkd_dispatch *over_channels(const struct vkd_call *c, struct vkd_plan *p, const char *kernel,
                                          const struct vkd_pc_batch_norm *pc)
{
    struct vkd_dispatch *d = vkd__dispatch(p, kernel, pc, sizeof(*pc), pc->c4, 1, 1);
    add_common_spec(c, d);
    return d;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_pc_batch_norm pc = push_sums(c);
    struct vkd_dispatch *d;
    if (c->training) {
        vkd__scratch(p, 0, (uint64_t) pc.chunks * pc.c4 * 32);
        d = over_chunks(c, p, "batch_norm_partial", &pc);
        vkd__bind(d, VKD_IN(X));
        vkd__bind(d, VKD_SCRATCH(0));
    }
    d = over_channels(c, p, c->training ? "batch_norm_finish.train" : "batch_norm_finish.eval", &pc);
    vkd__bind(d, VKD_OUT(MEAN));
    vkd__bind(d, VKD_OUT(INVSTD));
    vkd__bind(d, VKD_IN(RUNNING_MEAN));
    vkd__bind(d, VKD_IN(RUNNING_VAR));
    if (c->training)
        vkd__bind(d, VKD_SCRATCH(0));

    bool residual = c->in_count > RESIDUAL;
    pc = push_apply(c);
    d = over_chunks(c, p, "batch_norm_apply", &pc);
    vkd__bind(d, VKD_IN(X));
    vkd__bind(d, VKD_OUT(MEAN));
    vkd__bind(d, VKD_OUT(INVSTD));
    vkd__bind(d, VKD_IN(GAMMA));
    vkd__bind(d, VKD_IN(BETA));
    vkd__bind(d, residual ? VKD_IN(RESIDUAL) : VKD_IN(X));
    vkd__bind(d, VKD_OUT(Y));
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    // y is needed for the mask alone, and only where x does not tell it.
    struct vkd_slot y = c->attr.activation && c->in_count > RESIDUAL ? VKD_OUT(Y) : VKD_IN(X);
    bool want_x = c->want >> X & 1, want_residual = c->want >> RESIDUAL & 1;
    struct vkd_pc_batch_norm pc = push_sums(c);
    vkd__scratch(p, 0, (uint64_t) pc.chunks * pc.c4 * 32);
    struct vkd_dispatch *d = over_chunks(c, p, "batch_norm_back_partial", &pc);
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, y);
    vkd__bind(d, VKD_IN(X));
    vkd__bind(d, VKD_OUT(MEAN));
    vkd__bind(d, VKD_OUT(INVSTD));
    vkd__bind(d, VKD_IN(GAMMA));
    vkd__bind(d, VKD_IN(BETA));
    vkd__bind(d, VKD_SCRATCH(0));

    vkd__scratch(p, 1, (uint64_t) pc.c4 * 80);
    vkd__scratch(p, 2, (uint64_t) pc.c4 * 16);
    vkd__scratch(p, 3, (uint64_t) pc.c4 * 16);
    d = over_channels(c, p, "batch_norm_back_finish", &pc);
    add_spec(d, c->training);
    vkd__bind(d, VKD_SCRATCH(0));
    vkd__bind(d, VKD_OUT(MEAN));
    vkd__bind(d, VKD_OUT(INVSTD));
    vkd__bind(d, VKD_IN(GAMMA));
    vkd__bind(d, VKD_IN(BETA));
    vkd__bind(d, c->want >> GAMMA & 1 ? VKD_DIN(GAMMA) : VKD_SCRATCH(2));
    vkd__bind(d, c->want >> BETA & 1 ? VKD_DIN(BETA) : VKD_SCRATCH(3));
    vkd__bind(d, VKD_SCRATCH(1));

    if (!want_x && !want_residual)
        return;
    pc = push_apply(c);
    d = over_chunks(c, p, "batch_norm_back_apply", &pc);
    add_spec(d, want_x);
    add_spec(d, want_residual);
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, y);
    vkd__bind(d, VKD_IN(X));
    vkd__bind(d, VKD_SCRATCH(1));
    vkd__bind(d, want_x ? VKD_DIN(X) : VKD_DIN(RESIDUAL));
    vkd__bind(d, want_residual ? VKD_DIN(RESIDUAL) : VKD_DIN(X));
}

static double activate(double v, uint32_t activation)
{
    if (activation >= VKD_ACT_RELU && v < 0)
        v = 0;
    if (activation == VKD_ACT_RELU6 && v > 6)
        v = 6;
    return v;
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    uint32_t rows = vkd__rows(c->in[X].shape), channels = c->in[X].shape.d[3], stride = vkd__pad4(channels);
    for (uint32_t ch = 0; ch < stride; ch++) {
        double mean = 0, m2 = 0;
        if (c->training) {
            for (uint32_t r = 0; r < rows; r++)
                mean += in[X][(uint64_t) r * stride + ch];
            mean /= rows;
            for (uint32_t r = 0; r < rows; r++) {
                double d = in[X][(uint64_t) r * stride + ch] - mean;
                m2 += d * d;
            }
            in[RUNNING_MEAN][ch] += momentum(c) * (mean - in[RUNNING_MEAN][ch]);
            in[RUNNING_VAR][ch] += momentum(c) * (m2 / (rows - 1) - in[RUNNING_VAR][ch]);
        } else {
            mean = in[RUNNING_MEAN][ch];
        }
        double var = c->training ? m2 / rows : in[RUNNING_VAR][ch];
        double invstd = ch < channels ? 1 / sqrt(var + eps(c)) : 0;
        out[MEAN][ch] = mean;
        out[INVSTD][ch] = invstd;
        for (uint64_t i = ch; i < (uint64_t) rows * stride; i += stride) {
            double v = (in[X][i] - mean) * invstd * in[GAMMA][ch] + in[BETA][ch];
            out[Y][i] = activate(c->in_count > RESIDUAL ? v + in[RESIDUAL][i] : v, c->attr.activation);
        }
    }
}

const struct vkd_op vkd_op_batch_norm = {
    .name = "batch_norm",
    .in_min = 5,
    .in_max = 6,
    .grad_in = 1u << X | 1u << GAMMA | 1u << BETA | 1u << RESIDUAL,
    .reads_in = 1u << X | 1u << GAMMA | 1u << BETA,
    .reads_out = 1u << Y | 1u << MEAN | 1u << INVSTD,
    .updates_in = 1u << RUNNING_MEAN | 1u << RUNNING_VAR,
    .in_place_grad = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
