// cast.c -- y = x as another type: f32 to f16 and back.
#include "../elementwise.h"

static bool shape(struct vkd_call *c)
{
    enum vkd_dtype to = (enum vkd_dtype) c->attr.dtype;
    if (c->in[0].dtype == VKD_U32 || (to != VKD_F32 && to != VKD_F16))
        return vkd__reject(c, "only f32 and f16 can be cast");
    if (c->in[0].dtype == to)
        return vkd__reject(c, "the input is %s already", to == VKD_F32 ? "f32" : "f16");
    vkd__shape_same(c);
    c->out[0].dtype = to;
    return true;
}

static void convert(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_slot dst,
                    enum vkd_dtype to)
{
    vkd__elementwise(c, p, to == VKD_F16 ? "cast.to_f16" : "cast.to_f32", NULL, (struct vkd_slot[]) { src, dst }, 2);
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    convert(c, p, VKD_IN(0), VKD_OUT(0), c->out[0].dtype);
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    convert(c, p, VKD_DOUT, VKD_DIN(0), c->in[0].dtype);
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    for (uint64_t i = 0; i < vkd__numel(c->in[0].shape); i++)
        out[0][i] = in[0][i];
}

const struct vkd_op vkd_op_cast = {
    .name = "cast",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
