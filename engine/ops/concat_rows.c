// concat_rows.c -- y = the inputs one after the other along the first dimension.
#include "../channels.h"

static bool shape(struct vkd_call *c)
{
    uint64_t total = 0;
    const uint32_t *a = c->in[0].shape.d;
    for (uint32_t i = 0; i < c->in_count; i++) {
        const uint32_t *b = c->in[i].shape.d;
        if (c->in[i].dtype != c->in[0].dtype)
            return vkd__reject(c, "the inputs must all be of one type, found %s and %s; cast input %u first",
                               vkd__dtype_name(c->in[0].dtype), vkd__dtype_name(c->in[i].dtype), i);
        if (a[1] != b[1] || a[2] != b[2] || a[3] != b[3])
            return vkd__reject(c, "inputs must differ in N alone, found (%u, %u, %u, %u) and (%u, %u, %u, %u)",
                               a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]);
        total += b[0];
    }
    if (total > UINT32_MAX)
        return vkd__reject(c, "too many rows: %llu", (unsigned long long) total);
    vkd__shape_same(c);
    c->out[0].shape.d[0] = (uint32_t) total;
    return true;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_shape y = vkd__one_row(c->out[0].shape);
    uint32_t at = 0;
    for (uint32_t i = 0; i < c->in_count; i++) {
        struct vkd_shape x = vkd__one_row(c->in[i].shape);
        vkd__channels(c, p, VKD_IN(i), x, 0, VKD_OUT(0), y, at, x.d[3], false);
        at += x.d[3];
    }
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_shape y = vkd__one_row(c->out[0].shape);
    uint32_t at = 0;
    for (uint32_t i = 0; i < c->in_count; i++) {
        struct vkd_shape x = vkd__one_row(c->in[i].shape);
        if (c->want >> i & 1)
            vkd__channels(c, p, VKD_DOUT, y, at, VKD_DIN(i), x, 0, x.d[3], true);
        at += x.d[3];
    }
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < c->in_count; i++)
        for (uint64_t k = 0; k < vkd__numel(c->in[i].shape); k++)
            out[0][at++] = in[i][k];
}

const struct vkd_op vkd_op_concat_rows = {
    .name = "concat_rows",
    .in_min = 1,
    .in_max = VKD_MAX_IN,
    .grad_in = (1u << VKD_MAX_IN) - 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
