// concat.c -- y = the inputs side by side along the channels.
#include "../channels.h"

static bool shape(struct vkd_call *c)
{
    uint32_t total = 0;
    const uint32_t *a = c->in[0].shape.d;
    for (uint32_t i = 0; i < c->in_count; i++) {
        const uint32_t *b = c->in[i].shape.d;
        if (c->in[i].dtype != c->in[0].dtype)
            return vkd__reject(c, "the inputs must all be of one type, found %s and %s; cast input %u first",
                               vkd__dtype_name(c->in[0].dtype), vkd__dtype_name(c->in[i].dtype), i);
        if (a[0] != b[0] || a[1] != b[1] || a[2] != b[2])
            return vkd__reject(c, "inputs must differ in channels alone, found (%u, %u, %u, %u) and (%u, %u, %u, %u)",
                               a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]);
        total += b[3];
    }
    vkd__shape_same(c);
    c->out[0].shape.d[3] = total;
    return true;
}

// One input after the other: an input's first vec4 may hold lanes of the one before.
static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < c->in_count; i++) {
        struct vkd_shape s = c->in[i].shape;
        vkd__channels(c, p, VKD_IN(i), s, 0, VKD_OUT(0), c->out[0].shape, at, s.d[3], false);
        at += s.d[3];
    }
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < c->in_count; i++) {
        struct vkd_shape s = c->in[i].shape;
        if (c->want >> i & 1)
            vkd__channels(c, p, VKD_DOUT, c->out[0].shape, at, VKD_DIN(i), s, 0, s.d[3], true);
        at += s.d[3];
    }
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    uint32_t width = vkd__pad4(c->out[0].shape.d[3]), at = 0;
    for (uint32_t i = 0; i < c->in_count; i++) {
        uint32_t d = c->in[i].shape.d[3];
        for (uint64_t row = 0; row < vkd__rows(c->out[0].shape); row++)
            for (uint32_t k = 0; k < d; k++)
                out[0][row * width + at + k] = in[i][row * vkd__pad4(d) + k];
        at += d;
    }
}

const struct vkd_op vkd_op_concat = {
    .name = "concat",
    .in_min = 1,
    .in_max = VKD_MAX_IN,
    .grad_in = (1u << VKD_MAX_IN) - 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
