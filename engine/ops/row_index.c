// row_index.c -- u32 (1, 1, 1, N) for N rows: attr.begin, attr.begin + 1, ..., starting over before attr.end (0: never).
// Labels of what lies on a diagonal, or (end = begin + 1) one label for all. Values of the input are not read.
#include "../op.h"
#include "pc_index.h"

static bool shape(struct vkd_call *c)
{
    uint32_t begin = c->attr.begin, end = c->attr.end;
    if (end && end <= begin)
        return vkd__reject(c, "end must be 0 or more than begin, found %u and %u", begin, end);
    c->out[0] = (struct vkd_desc) { { { 1, 1, 1, c->in[0].shape.d[0] } }, VKD_U32 };
    c->out_count = 1;
    return true;
}

static uint32_t period(const struct vkd_call *c)
{
    return c->attr.end ? c->attr.end - c->attr.begin : UINT32_MAX;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_pc_index pc = { .count = c->out[0].shape.d[3], .begin = c->attr.begin, .period = period(c) };
    uint32_t groups[3];
    vkd__groups_1d(c, vkd__div_up(vkd__pad4(pc.count), 4 * 64), groups);
    struct vkd_dispatch *d = vkd__dispatch(p, "row_index", &pc, sizeof(pc), groups[0], groups[1], groups[2]);
    vkd__bind(d, VKD_OUT(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    (void) in;
    uint32_t count = c->out[0].shape.d[3];
    for (uint32_t i = 0; i < vkd__pad4(count); i++)
        out[0][i] = i < count ? c->attr.begin + i % period(c) : 0;
}

const struct vkd_op vkd_op_row_index = {
    .name = "row_index",
    .in_min = 1,
    .in_max = 1,
    .shape = shape,
    .forward = forward,
    .ref = ref,
};
