// conv_grouped.c -- convolutions with any number of groups: plain gathers, one result per thread.
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
                     const char *pass, uint32_t parts, struct vkd_conv_slots slots)
{
    char kernel[48];
    snprintf(kernel, sizeof(kernel), "conv_grouped.%s.%s", pass, vkd__load_name(c->caps, false, c->in[0].dtype));
    struct vkd_dispatch *d = vkd__dispatch(p, kernel, pc, sizeof(*pc), 0, 0, 0);
    if (!d)
        return;
    vkd__load_spec(d, c->in[0].dtype);
    vkd__groups_1d(c, vkd__div_up(pc->count, 64), d->groups);
    d->groups[2] = parts;
    vkd__bind(d, slots.a);
    vkd__bind(d, slots.b);
    vkd__bind(d, slots.out);
}

static void wgrad(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, uint32_t images,
                  struct vkd_conv_slots slots)
{
    struct vkd_pc_conv pc = push_of(v);
    struct vkd_conv_image image = vkd__conv_image(v);
    uint64_t numel = (uint64_t) v->r * v->s * pc.group_c * pc.k;
    pc.count = (uint32_t) numel;
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
        dispatch(c, p, &pc, "wgrad", parts, (struct vkd_conv_slots) {
            vkd__slot_part(slots.a, n * image.size_x, pc.images * image.size_x),
            vkd__slot_part(slots.b, n * image.size_y, pc.images * image.size_y),
            total > 1 ? vkd__slot_part(VKD_SCRATCH(0), at * stride * 4, parts * stride * 4) : slots.out,
        });
        at += parts;
    }
    if (total > 1)
        vkd__sum_parts(c, p, vkd__slot_part(VKD_SCRATCH(0), 0, total * stride * 4), slots.out, VKD_F32, numel,
                       stride, total);
}

void vkd__conv_grouped(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v,
                       enum vkd_conv_pass pass, struct vkd_conv_slots slots)
{
    struct vkd_pc_conv pc = push_of(v);
    struct vkd_conv_image image = vkd__conv_image(v);
    uint32_t images = vkd__images_per_binding(c, p, v);
    if (!images)
        return;
    if (pass == VKD_CONV_WGRAD) {
        wgrad(c, p, v, images, slots);
        return;
    }
    bool fwd = pass == VKD_CONV_FORWARD;
    uint64_t size_a = fwd ? image.size_x : image.size_y, size_out = fwd ? image.size_y : image.size_x;
    for (uint32_t n = 0; n < v->n; n += images) {
        pc.images = v->n - n < images ? v->n - n : images;
        pc.count = (uint32_t) (pc.images * size_out / 4);       // words
        dispatch(c, p, &pc, fwd ? "forward" : "dgrad", 1, (struct vkd_conv_slots) {
            vkd__slot_part(slots.a, n * size_a, pc.images * size_a), slots.b,
            vkd__slot_part(slots.out, n * size_out, pc.images * size_out),
        });
    }
}
