// conv_geometry.c -- convolutions as gathers: which pixel each tap of the filter meets.
//
// dgrad runs once for each remainder of dx's pixels by the stride: all pixels of one remainder meet
// the same taps of the filter, so no tap is visited in vain and none needs a test.
#include "conv.h"

// One remainder along one axis: the taps first + i * step, i < count, meet it; its pixel j reads
// row j + base - i * back of dy.
struct phase { uint32_t first, step, count; int32_t base, back; };

static struct phase phase_of(uint32_t rest, uint32_t taps, uint32_t stride, uint32_t pad, uint32_t dilation)
{
    struct phase f = { .step = 1 };
    for (uint32_t i = taps; i-- > 0;) {
        if ((rest + pad + (uint64_t) stride * taps * dilation - (uint64_t) i * dilation) % stride)
            continue;
        f.step = f.count ? f.first - i : 1;
        f.first = i;
        f.count++;
    }
    if (!f.count)
        return f;
    f.base = ((int32_t) (rest + pad) - (int32_t) (f.first * dilation)) / (int32_t) stride;
    f.back = (int32_t) (f.step * dilation / stride);
    if (f.count == 1)
        f.back = 0;
    return f;
}

struct vkd_pc_gather vkd__conv_taps(const struct vkd_conv *v)
{
    return (struct vkd_pc_gather) {
        .rows_h = v->oh, .rows_w = v->ow,
        .src_h = v->h, .src_w = v->w, .src_c = vkd__pad4(v->c) / 4,
        .mul_y = (i32) v->stride[0], .mul_x = (i32) v->stride[1],
        .base_y = -(i32) v->pad[0], .base_x = -(i32) v->pad[1],
        .step_y = (i32) v->dilation[0], .step_x = (i32) v->dilation[1],
        .taps_y = v->r, .taps_x = v->s, .tap_dy = v->s, .tap_dx = 1,
        .out_h = v->oh, .out_w = v->ow, .out_mul = 1 | 1 << 16,
    };
}

bool vkd__conv_taps_back(const struct vkd_conv *v, uint32_t index, struct vkd_pc_gather *pc)
{
    uint32_t across = v->stride[1] < v->w ? v->stride[1] : v->w, y = index / across, x = index % across;
    if (y >= v->stride[0] || y >= v->h)
        return false;
    struct phase fy = phase_of(y, v->r, v->stride[0], v->pad[0], v->dilation[0]);
    struct phase fx = phase_of(x, v->s, v->stride[1], v->pad[1], v->dilation[1]);
    *pc = (struct vkd_pc_gather) {
        .rows_h = vkd__div_up(v->h - y, v->stride[0]), .rows_w = vkd__div_up(v->w - x, v->stride[1]),
        .src_h = v->oh, .src_w = v->ow, .src_c = vkd__pad4(v->k) / 4,
        .mul_y = 1, .mul_x = 1, .base_y = fy.base, .base_x = fx.base, .step_y = -fy.back, .step_x = -fx.back,
        .taps_y = fx.count ? fy.count : 0, .taps_x = fx.count,
        .tap0 = fy.first * v->s + fx.first, .tap_dy = fy.step * v->s, .tap_dx = fx.step,
        .out_h = v->h, .out_w = v->w, .out_mul = v->stride[0] | v->stride[1] << 16, .out_base = y | x << 16,
    };
    return true;
}

struct vkd_conv_image vkd__conv_image(const struct vkd_conv *v)
{
    uint64_t x = (uint64_t) v->h * v->w * vkd__pad4(v->c), y = (uint64_t) v->oh * v->ow * vkd__pad4(v->k);
    return (struct vkd_conv_image) { x, y, x * vkd__dtype_size(v->type), y * vkd__dtype_size(v->type) };
}

uint32_t vkd__images_per_binding(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v)
{
    struct vkd_conv_image image = vkd__conv_image(v);
    uint64_t size_x = image.size_x, size_y = image.size_y;
    uint32_t images = vkd__rows_per_binding(c->caps, v->n, size_x, size_y);
    if (!images)
        vkd__plan_fail(p, VKD_UNSUPPORTED, "an image of %llu bytes is too large for the device's storage bindings of %llu",
                       (unsigned long long) (size_x > size_y ? size_x : size_y),
                       (unsigned long long) c->caps->storage_range_max);
    return images;
}
