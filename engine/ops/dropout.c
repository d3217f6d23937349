// dropout.c -- training: y = x m / (1 - p), where m is 0 with probability p; evaluation: y = x.
//
// The mask of vec4 i is Philox of (DROPOUT and attr.stream, i, step, micro-batch) under the run's seed.
#include "../elementwise.h"
#include "philox.h"
#include "step_block.h"

static bool shape(struct vkd_call *c)
{
    if (!(c->attr.p >= 0 && c->attr.p < 1))
        return vkd__reject(c, "p must be at least 0 and below 1, found %g", (double) c->attr.p);
    if (c->attr.stream >> 24)
        return vkd__reject(c, "stream must be below 2^24, found %u", c->attr.stream);
    return vkd__elementwise_shape(c);
}

static void drop(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_slot dst)
{
    struct vkd_pc_elementwise pc = { .alpha = c->attr.p, .stream = c->attr.stream };
    if (c->training && c->attr.p > 0)
        vkd__elementwise(c, p, "dropout", &pc, (struct vkd_slot[]) { src, VKD_STEP, dst }, 3);
    else
        vkd__scale(c, p, src, dst, 1);
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    drop(c, p, VKD_IN(0), VKD_OUT(0));
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    drop(c, p, VKD_DOUT, VKD_DIN(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    double p = c->training ? (double) c->attr.p : 0;
    for (uint64_t i = 0; i < vkd__numel(c->in[0].shape) / 4; i++) {
        u32 word[4] = { VKD_STREAM_DROPOUT | c->attr.stream << 8, (u32) i, c->step->step, c->step->micro };
        vkd_philox(word, c->step->seed);
        for (int lane = 0; lane < 4; lane++)
            out[0][4 * i + lane] = in[0][4 * i + lane] * (vkd_uniform(word[lane]) < p ? 0 : 1 / (1 - p));
    }
}

const struct vkd_op vkd_op_dropout = {
    .name = "dropout",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .in_place = true,
    .in_place_grad = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
