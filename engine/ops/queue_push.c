// queue_push.c -- puts keys (N, 1, 1, D) into the queue (1, 1, K, D), first in first out: rows queue_row ...
// queue_row + N - 1 (modulo K) are replaced, queue_row being the step block's. Late: a loss of the same step sees the
// queue as it was.
#include "../op.h"
#include "pc_index.h"
#include "step_block.h"

enum { QUEUE, KEYS };

static bool shape(struct vkd_call *c)
{
    struct vkd_shape q = c->in[QUEUE].shape, k = c->in[KEYS].shape;
    if (c->in[QUEUE].dtype != VKD_F32 || c->in[KEYS].dtype != VKD_F32)
        return vkd__reject(c, "queue and keys must be f32");
    if (q.d[3] != k.d[3])
        return vkd__reject(c, "the queue has %u columns, the keys have %u", q.d[3], k.d[3]);
    if (vkd__rows(q) % vkd__rows(k))
        return vkd__reject(c, "a queue of %u rows must be a multiple of the %u that come in at once", vkd__rows(q),
                           vkd__rows(k));
    c->out_count = 0;
    return true;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    if (!c->training)
        return;
    struct vkd_shape k = c->in[KEYS].shape;
    struct vkd_pc_queue pc = { .count = (uint32_t) (vkd__numel(k) / 4), .c4 = vkd__pad4(k.d[3]) / 4,
                               .rows = vkd__rows(c->in[QUEUE].shape) };
    uint32_t groups[3];
    vkd__groups_1d(c, vkd__div_up(pc.count, 256), groups);
    struct vkd_dispatch *d = vkd__dispatch(p, "queue_push", &pc, sizeof(pc), groups[0], groups[1], groups[2]);
    vkd__bind(d, VKD_IN(KEYS));
    vkd__bind(d, VKD_STEP);
    vkd__bind(d, VKD_IN(QUEUE));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    (void) out;
    uint32_t width = vkd__pad4(c->in[KEYS].shape.d[3]), rows = vkd__rows(c->in[QUEUE].shape);
    for (uint32_t r = 0; c->training && r < vkd__rows(c->in[KEYS].shape); r++)
        for (uint32_t i = 0; i < width; i++)
            in[QUEUE][(uint64_t) ((c->step->queue_row + r) % rows) * width + i] = in[KEYS][(uint64_t) r * width + i];
}

const struct vkd_op vkd_op_queue_push = {
    .name = "queue_push",
    .in_min = 2,
    .in_max = 2,
    .updates_in = 1u << QUEUE,
    .late = true,
    .shape = shape,
    .forward = forward,
    .ref = ref,
};
