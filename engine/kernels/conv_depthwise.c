// conv_depthwise.c -- convolution with one channel per group.
#include "conv.h"

#include <stdio.h>

enum { PIXELS_PER_PART = 4096 };    // of wgrad, in one invocation

static void dispatch(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_pc_gather *pc, bool wgrad,
                     bool texel, uint32_t parts, struct vkd_conv_slots slots)
{
    bool three = pc->taps_x == 3 && pc->step_x == 1 && (pc->mul_x == 1 || pc->mul_x == 2);
    char kernel[48];
    snprintf(kernel, sizeof(kernel), "conv_depthwise.%s.%s.%s", wgrad ? "wgrad" : "pixels",
             !three ? "any" : pc->mul_x == 1 ? "three1" : "three2", vkd__load_name(c->caps, texel, c->in[0].dtype));
    struct vkd_pc_gather push = *pc;
    if (wgrad)
        push.m = pc->src_c * pc->taps_y * (three ? 1 : pc->taps_x);
    struct vkd_dispatch *d = vkd__dispatch(p, kernel, &push, sizeof(push), 0, 0, 0);
    if (!d)
        return;
    vkd__groups_1d(c, vkd__div_up(push.m, 64), d->groups);
    d->groups[2] = parts;
    vkd__load_spec(d, c->in[0].dtype);
    vkd__bind(d, slots.a);
    vkd__bind(d, slots.b);
    vkd__bind(d, slots.out);
}

static void pixels(const struct vkd_call *c, struct vkd_plan *p, struct vkd_pc_gather *pc, uint32_t images,
                   bool texel, struct vkd_conv_slots slots)
{
    pc->m = images * pc->rows_h * vkd__div_up(pc->rows_w, 4) * pc->src_c;
    if (pc->taps_x == 3 && pc->step_x == -1) {      // the same taps from the other side
        pc->base_x -= 2;
        pc->step_x = 1;
        pc->tap0 += 2 * pc->tap_dx;
        pc->tap_dx = -pc->tap_dx;
    }
    dispatch(c, p, pc, false, texel, 1, slots);
}

static void wgrad(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, uint32_t images, bool texel,
                  struct vkd_conv_slots slots)
{
    struct vkd_pc_gather pc = vkd__conv_taps(v);
    struct vkd_conv_image image = vkd__conv_image(v);
    uint64_t numel = (uint64_t) v->r * v->s * pc.src_c * 4, stride = vkd__part_stride(c->caps, numel);
    uint32_t wanted = vkd__div_up(c->caps->cpu ? 64 : 2048, vkd__div_up(v->r * pc.src_c, 64));
    pc.split = vkd__div_up(images * v->oh, wanted);
    if (pc.split * v->ow > PIXELS_PER_PART)
        pc.split = PIXELS_PER_PART / v->ow ? PIXELS_PER_PART / v->ow : 1;
    pc.stride_c = (u32) (stride / 4);
    uint32_t total = 0, at = 0;
    for (uint32_t n = 0; n < v->n; n += images)
        total += vkd__div_up((v->n - n < images ? v->n - n : images) * v->oh, pc.split);
    if (total > 1)
        vkd__scratch(p, 0, total * stride * 4);
    for (uint32_t n = 0; n < v->n; n += images) {
        uint32_t count = v->n - n < images ? v->n - n : images, parts = vkd__div_up(count * v->oh, pc.split);
        pc.k = count * v->oh;
        dispatch(c, p, &pc, true, texel, parts, (struct vkd_conv_slots) {
            vkd__slot_part(slots.a, n * image.size_x, count * image.size_x),
            vkd__slot_part(slots.b, n * image.size_y, count * image.size_y),
            total > 1 ? vkd__slot_part(VKD_SCRATCH(0), at * stride * 4, parts * stride * 4) : slots.out,
        });
        at += parts;
    }
    if (total > 1)
        vkd__sum_parts(c, p, vkd__slot_part(VKD_SCRATCH(0), 0, total * stride * 4), slots.out, VKD_F32, numel,
                       stride, total);
}

void vkd__conv_depthwise(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v,
                         enum vkd_conv_pass pass, struct vkd_conv_slots slots)
{
    struct vkd_conv_image image = vkd__conv_image(v);
    uint32_t images = vkd__images_per_binding(c, p, v);
    if (!images)
        return;
    bool texel = vkd__loads_texels(c->caps, images * (image.numel_x > image.numel_y ? image.numel_x : image.numel_y));
    if (pass == VKD_CONV_WGRAD) {
        wgrad(c, p, v, images, texel, slots);
        return;
    }
    bool fwd = pass == VKD_CONV_FORWARD;
    uint64_t size_a = fwd ? image.size_x : image.size_y, size_out = fwd ? image.size_y : image.size_x;
    for (uint32_t n = 0; n < v->n; n += images) {
        uint32_t count = v->n - n < images ? v->n - n : images;
        struct vkd_conv_slots part = { vkd__slot_part(slots.a, n * size_a, count * size_a), slots.b,
                                       vkd__slot_part(slots.out, n * size_out, count * size_out) };
        struct vkd_pc_gather pc = vkd__conv_taps(v);
        if (fwd)
            pixels(c, p, &pc, count, texel, part);
        for (uint32_t i = 0; !fwd && vkd__conv_taps_back(v, i, &pc); i++)
            pixels(c, p, &pc, count, texel, part);
    }
}
