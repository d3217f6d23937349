// conv_grouped.c -- convolutions with groups: gathers without atomics, one kernel for depthwise ones
// and a general one.
#include "conv.h"

#include "pc_conv.h"

#include <stdio.h>

enum { PIXELS_PER_PART = 4096 };    // of wgrad, in one invocation

static struct vkd_pc_conv push_of(const struct vkd_conv *v)
{
    return (struct vkd_pc_conv) {
        .h = v->h, .w = v->w, .c = vkd__pad4(v->c),
        .oh = v->oh, .ow = v->ow, .k = vkd__pad4(v->k),
        .r = v->r, .s = v->s,
        .stride_y = v->stride[0], .stride_x = v->stride[1], .pad_y = v->pad[0], .pad_x = v->pad[1],
        .dilation_y = v->dilation[0], .dilation_x = v->dilation[1],
        .group_c = v->c / v->groups, .group_k = v->k / v->groups,
        .c_used = v->c, .k_used = v->k,
    };
}

static void dispatch(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_pc_conv *pc,
                     const char *kernel, uint32_t parts, struct vkd_conv_slots slots)
{
    struct vkd_dispatch *d = vkd__dispatch(p, kernel, pc, sizeof(*pc), 0, 0, 0);
    if (!d)
        return;
    vkd__groups_1d(c, vkd__div_up(pc->count, 64), d->groups);
    d->groups[2] = parts;
    vkd__bind(d, slots.a);
    vkd__bind(d, slots.b);
    vkd__bind(d, slots.out);
}

// Threads of one part: a depthwise thread makes a vec4 of 4 pixels or of the filter, another one element.
static uint32_t threads(const struct vkd_pc_conv *pc, enum vkd_conv_pass pass, bool depthwise)
{
    if (pass == VKD_CONV_WGRAD)
        return pc->r * pc->s * (depthwise ? pc->k / 4 : pc->group_c * pc->k);
    uint32_t rows = pc->images * (pass == VKD_CONV_FORWARD ? pc->oh : pc->h);
    uint32_t width = pass == VKD_CONV_FORWARD ? pc->ow : pc->w, channels = pass == VKD_CONV_FORWARD ? pc->k : pc->c;
    return depthwise ? rows * vkd__div_up(width, 4) * (channels / 4) : rows * width * channels;
}

static void wgrad(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, const char *kernel,
                  uint32_t images, bool depthwise, struct vkd_conv_slots slots)
{
    struct vkd_pc_conv pc = push_of(v);
    uint64_t size_x = (uint64_t) v->h * v->w * pc.c * 4, size_y = (uint64_t) v->oh * v->ow * pc.k * 4;
    uint64_t numel = (uint64_t) v->r * v->s * pc.group_c * pc.k;
    pc.count = threads(&pc, VKD_CONV_WGRAD, depthwise);
    uint32_t groups = vkd__div_up(pc.count, 64);
    uint32_t rows = images * v->oh, wanted = vkd__div_up(c->caps->cpu ? 64 : 2048, groups);
    pc.part_rows = vkd__div_up(rows, wanted);
    if (pc.part_rows * v->ow > PIXELS_PER_PART)
        pc.part_rows = PIXELS_PER_PART / v->ow ? PIXELS_PER_PART / v->ow : 1;
    uint32_t total = 0;
    for (uint32_t n = 0; n < v->n; n += images)
        total += vkd__div_up((v->n - n < images ? v->n - n : images) * v->oh, pc.part_rows);
    uint64_t stride = vkd__part_stride(c->caps, numel);
    pc.part_stride = (uint32_t) (stride / 4);
    if (total > 1)
        vkd__scratch(p, 0, total * stride * 4);
    uint32_t at = 0;
    for (uint32_t n = 0; n < v->n; n += images) {
        pc.images = v->n - n < images ? v->n - n : images;
        uint32_t parts = vkd__div_up(pc.images * v->oh, pc.part_rows);
        dispatch(c, p, &pc, kernel, parts, (struct vkd_conv_slots) {
            vkd__slot_part(slots.a, n * size_x, pc.images * size_x),
            vkd__slot_part(slots.b, n * size_y, pc.images * size_y),
            total > 1 ? vkd__slot_part(VKD_SCRATCH(0), at * stride * 4, parts * stride * 4) : slots.out,
        });
        at += parts;
    }
    if (total > 1)
        vkd__sum_parts(c, p, vkd__slot_part(VKD_SCRATCH(0), 0, total * stride * 4), slots.out, numel, stride, total);
}

void vkd__conv_grouped(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v,
                       enum vkd_conv_pass pass, struct vkd_conv_slots slots)
{
    static const char *const passes[] = { "forward", "dgrad", "wgrad" };
    bool depthwise = v->groups == v->c && v->groups == v->k;
    struct vkd_pc_conv pc = push_of(v);
    uint64_t size_x = (uint64_t) v->h * v->w * pc.c * 4, size_y = (uint64_t) v->oh * v->ow * pc.k * 4;
    uint32_t images = vkd__rows_per_binding(c->caps, v->n, size_x, size_y);
    if (!images) {
        vkd__plan_fail(p, VKD_UNSUPPORTED, "an image of %llu bytes exceeds the device's storage binding of %llu",
                       (unsigned long long) (size_x > size_y ? size_x : size_y),
                       (unsigned long long) c->caps->storage_range_max);
        return;
    }
    char kernel[48];
    uint64_t texels = images * (size_x > size_y ? size_x : size_y) / 16;
    snprintf(kernel, sizeof(kernel), depthwise ? "conv_depthwise.%s.%s" : "conv_grouped.%s", passes[pass],
             c->caps->cpu && texels <= c->caps->texel_count_max ? "texel" : "buffer");
    if (pass == VKD_CONV_WGRAD) {
        wgrad(c, p, v, kernel, images, depthwise, slots);
        return;
    }
    bool fwd = pass == VKD_CONV_FORWARD;
    uint64_t size_a = fwd ? size_x : size_y, size_out = fwd ? size_y : size_x;
    for (uint32_t n = 0; n < v->n; n += images) {
        pc.images = v->n - n < images ? v->n - n : images;
        pc.count = threads(&pc, pass, depthwise);
        dispatch(c, p, &pc, kernel, 1, (struct vkd_conv_slots) {
            vkd__slot_part(slots.a, n * size_a, pc.images * size_a), slots.b,
            vkd__slot_part(slots.out, n * size_out, pc.images * size_out),
        });
    }
}
