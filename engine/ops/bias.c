// bias.c -- y(n, h, w, c) = x(n, h, w, c) + b(c).
#include "../elementwise.h"
#include "../reduce.h"

static bool shape(struct vkd_call *c)
{
    struct vkd_shape x = c->in[0].shape, b = c->in[1].shape;
    if (!vkd__is_real(c->in[0].dtype) || c->in[1].dtype != VKD_F32)
        return vkd__reject(c, "x must be real and b f32, found %s and %s; cast them first",
                           vkd__dtype_name(c->in[0].dtype), vkd__dtype_name(c->in[1].dtype));
    if (vkd__rows(b) != 1 || b.d[3] != x.d[3])
        return vkd__reject(c, "b must be (1, 1, 1, %u), found (%u, %u, %u, %u)", x.d[3],
                           b.d[0], b.d[1], b.d[2], b.d[3]);
    return vkd__shape_same(c);
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_pc_elementwise pc = { .width = vkd__pad4(c->in[0].shape.d[3]) / 4 };
    vkd__elementwise(c, p, "bias", &pc, (struct vkd_slot[]) { VKD_IN(0), VKD_IN(1), VKD_OUT(0) }, 3);
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    if (c->want & 1)
        vkd__scale(c, p, VKD_DOUT, VKD_DIN(0), 1);
    if (c->want & 2)
        vkd__reduce(c, p, VKD_DOUT, VKD_DIN(1), c->in[0], 7, 1);
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    uint32_t width = vkd__pad4(c->in[0].shape.d[3]);
    for (uint64_t i = 0; i < vkd__numel(c->in[0].shape); i++)
        out[0][i] = in[0][i] + in[1][i % width];
}

const struct vkd_op vkd_op_bias = {
    .name = "bias",
    .in_min = 2,
    .in_max = 2,
    .grad_in = 3,
    .same_grad = 1,
    .in_place = true,
    .in_place_grad = true,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
