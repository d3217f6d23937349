// weigh.c -- y = x times number attr.stream of the step block's weights (VKD_WEIGHT_*): a term of a loss whose share
// changes from step to step.
#include "../elementwise.h"
#include "step_block.h"

enum { WEIGHTS = sizeof(((struct vkd_step_block *) 0)->weights) / sizeof(f32) };

static bool shape(struct vkd_call *c)
{
    if (c->attr.stream >= WEIGHTS)
        return vkd__reject(c, "the step block has %d weights, there is no number %u", (int) WEIGHTS, c->attr.stream);
    if (c->in[0].dtype != VKD_F32)
        return vkd__reject(c, "the input must be f32; cast it first");
    return vkd__elementwise_shape(c);
}

static void weigh(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_slot dst)
{
    struct vkd_pc_elementwise pc = { .stream = c->attr.stream };
    vkd__elementwise(c, p, "weigh", &pc, (struct vkd_slot[]) { src, VKD_STEP, dst }, 3);
}

static void forward(const struct vkd_call *c, struct vkd_plan *p) { weigh(c, p, VKD_IN(0), VKD_OUT(0)); }
static void backward(const struct vkd_call *c, struct vkd_plan *p) { weigh(c, p, VKD_DOUT, VKD_DIN(0)); }

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    for (uint64_t i = 0; i < vkd__numel(c->in[0].shape); i++)
        out[0][i] = (double) c->step->weights[c->attr.stream] * in[0][i];
}

const struct vkd_op vkd_op_weigh = {
    .name = "weigh",
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
