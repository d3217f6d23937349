// cast.c -- y = x as another type: f32 to one of 16 bits, to the nearest with ties to even, or back.
#include "../elementwise.h"

static bool shape(struct vkd_call *c)
{
    enum vkd_dtype to = (enum vkd_dtype) c->attr.dtype;
    if (!vkd__is_real(c->in[0].dtype) || c->attr.dtype > VKD_BF16 || !vkd__is_real(to))
        return vkd__reject(c, "only f32, f16 and bf16 can be cast");
    if (c->in[0].dtype == to)
        return vkd__reject(c, "the input is %s already", vkd__dtype_name(to));
    if (c->in[0].dtype != VKD_F32 && to != VKD_F32)
        return vkd__reject(c, "%s becomes %s by way of f32 only", vkd__dtype_name(c->in[0].dtype), vkd__dtype_name(to));
    vkd__shape_same(c);
    c->out[0].dtype = to;
    return true;
}

static void convert(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_slot dst,
                    enum vkd_dtype to)
{
    vkd__elementwise(c, p, to == VKD_F32 ? "cast.widen" : "cast.narrow", NULL, (struct vkd_slot[]) { src, dst }, 2);
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
