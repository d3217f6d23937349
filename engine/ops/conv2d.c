// conv2d.c -- x (N, H, W, C), w (R, S, C / groups, K) -> (N, OH, OW, K), zeros around the image.
//
//   y(n, oy, ox, k) = sum over r, s, c of x(n, oy stride - pad + r dilation, ..., c) w(r, s, c, k)
//
// x may be stored in 16 bits, y then is, too; w is f32.
//
// With groups, output channel k sees the channels of its group. Without, w's C is x's padded one.
#include "../kernels/conv.h"

enum { TAPS_MAX = 32768 };  // vec4 of one reduction: drivers limit the length of loops

static uint32_t or_one(uint32_t value) { return value ? value : 1; }

static struct vkd_conv geometry(const struct vkd_call *c)
{
    const uint32_t *x = c->in[0].shape.d, *w = c->in[1].shape.d, *y = c->out[0].shape.d;
    const struct vkd_attr *a = &c->attr;
    return (struct vkd_conv) {
        .type = c->in[0].dtype,
        .n = x[0], .h = x[1], .w = x[2], .c = x[3],
        .oh = y[1], .ow = y[2], .k = w[3],
        .r = w[0], .s = w[1],
        .stride = { or_one(a->stride[0]), or_one(a->stride[1]) },
        .pad = { a->pad[0], a->pad[1] },
        .dilation = { or_one(a->dilation[0]), or_one(a->dilation[1]) },
        .groups = or_one(a->groups),
    };
}

static bool shape(struct vkd_call *c)
{
    struct vkd_conv v = geometry(c);
    uint32_t w_c = c->in[1].shape.d[2], in[2] = { v.h, v.w }, taps[2] = { v.r, v.s };
    if (!vkd__is_real(c->in[0].dtype) || c->in[1].dtype != VKD_F32)
        return vkd__reject(c, "the image must be f32, f16 or bf16 and the filter f32, found %s and %s",
                           vkd__dtype_name(c->in[0].dtype), vkd__dtype_name(c->in[1].dtype));
    if (v.c % v.groups || v.k % v.groups)
        return vkd__reject(c, "%u groups do not divide %u input and %u output channels", v.groups, v.c, v.k);
    if (w_c != (v.groups > 1 ? v.c / v.groups : vkd__pad4(v.c)))
        return vkd__reject(c, "the filter has %u input channels, expected %u", w_c,
                           v.groups > 1 ? v.c / v.groups : vkd__pad4(v.c));
    uint64_t widest = v.groups > 1 ? (v.c > v.k ? v.c : v.k) / v.groups : vkd__pad4(v.c > v.k ? v.c : v.k) / 4;
    if ((uint64_t) v.r * v.s * widest > TAPS_MAX)
        return vkd__reject(c, "a filter of %ux%u over %u and %u channels is longer than the %d supported terms",
                           v.r, v.s, v.c, v.k, TAPS_MAX);
    c->out[0] = c->in[0];
    c->out[0].shape.d[3] = v.k;
    for (int i = 0; i < 2; i++) {
        uint64_t padded = in[i] + 2ull * v.pad[i], reach = (uint64_t) v.dilation[i] * (taps[i] - 1) + 1;
        if (v.stride[i] > 1024 || v.dilation[i] > 1024 || v.pad[i] > 1024)
            return vkd__reject(c, "stride, padding and dilation must be at most 1024");
        if (reach > padded)
            return vkd__reject(c, "a filter reaching over %u pixels does not fit %u", (uint32_t) reach,
                               (uint32_t) padded);
        c->out[0].shape.d[1 + i] = (uint32_t) ((padded - reach) / v.stride[i] + 1);
    }
    c->out_count = 1;
    return true;
}

static bool use_winograd(const struct vkd_call *c, const struct vkd_conv *v, enum vkd_conv_pass pass)
{
    if (c->attr.algorithm == VKD_CONV_WINOGRAD)
        return vkd__conv_winograd_fits(c->caps, v, pass);
    return c->attr.algorithm == VKD_CONV_AUTO && vkd__conv_winograd_pays(c->caps, v, pass);
}

static void plan(const struct vkd_call *c, struct vkd_plan *p, enum vkd_conv_pass pass, struct vkd_conv_slots slots)
{
    struct vkd_conv v = geometry(c);
    if (v.groups > 1 && v.groups == v.c && v.groups == v.k)
        vkd__conv_depthwise(c, p, &v, pass, slots);
    else if (v.groups > 1)
        vkd__conv_grouped(c, p, &v, pass, slots);
    else if (use_winograd(c, &v, pass))
        vkd__conv_winograd(c, p, &v, pass, slots);
    else
        vkd__conv_gather(c, p, &v, pass, slots);
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    plan(c, p, VKD_CONV_FORWARD, (struct vkd_conv_slots) { VKD_IN(0), VKD_IN(1), VKD_OUT(0) });
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    if (c->want & 1)
        plan(c, p, VKD_CONV_DGRAD, (struct vkd_conv_slots) { VKD_DOUT, VKD_IN(1), VKD_DIN(0) });
    if (c->want & 2)
        plan(c, p, VKD_CONV_WGRAD, (struct vkd_conv_slots) { VKD_IN(0), VKD_DOUT, VKD_DIN(1) });
}

// One output pixel, all channels.
static void ref_pixel(const struct vkd_conv *v, const double *x, const double *w, uint32_t n, uint32_t oy,
                      uint32_t ox, double *y)
{
    uint32_t ld_x = vkd__pad4(v->c), ld_k = vkd__pad4(v->k), group_c = v->c / v->groups, group_k = v->k / v->groups;
    uint32_t w_c = v->groups > 1 ? group_c : ld_x;
    for (uint32_t r = 0; r < v->r; r++) {
        int64_t iy = (int64_t) oy * v->stride[0] - v->pad[0] + (int64_t) r * v->dilation[0];
        for (uint32_t s = 0; s < v->s; s++) {
            int64_t ix = (int64_t) ox * v->stride[1] - v->pad[1] + (int64_t) s * v->dilation[1];
            if (iy < 0 || iy >= v->h || ix < 0 || ix >= v->w)
                continue;
            const double *pixel = x + (((uint64_t) n * v->h + iy) * v->w + ix) * ld_x;
            const double *tap = w + (uint64_t) (r * v->s + s) * w_c * ld_k;
            for (uint32_t c = 0; c < group_c; c++)
                for (uint32_t k = 0; k < v->k; k++)
                    y[k] += pixel[k / group_k * group_c + c] * tap[(uint64_t) c * ld_k + k];
        }
    }
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_conv v = geometry(c);
    uint64_t numel = vkd__numel(c->out[0].shape);
    for (uint64_t i = 0; i < numel; i++)
        out[0][i] = 0;
    for (uint32_t n = 0; n < v.n; n++)
        for (uint32_t y = 0; y < v.oh; y++)
            for (uint32_t x = 0; x < v.ow; x++)
                ref_pixel(&v, in[0], in[1], n, y, x, out[0] + vkd__at(c->out[0].shape, n, y, x, 0));
}

const struct vkd_op vkd_op_conv2d = {
    .name     = "conv2d",
    .in_min   = 2,
    .in_max   = 2,
    .grad_in  = 3,
    .reads_in = 3,
    .shape    = shape,
    .forward  = forward,
    .backward = backward,
    .ref      = ref,
};
