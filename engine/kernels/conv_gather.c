// conv_gather.c -- convolution as a matrix product whose A is gathered from the image.
#include "conv.h"

enum { SUM_MAX = 1 << 20 };     // vec4 of taps and channels, of which the shaders' quotient() is sure

static void gather(const struct vkd_call *c, struct vkd_plan *p, struct vkd_pc_gather *pc,
                   const struct vkd_gemm_tile *tile, uint32_t parts, struct vkd_conv_slots slots)
{
    pc->tiles_n = vkd__div_up(pc->n, tile->n);
    struct vkd_dispatch *d = vkd__dispatch(p, tile->kernel, pc, sizeof(*pc), 0, 0, 0);
    if (!d)
        return;
    vkd__groups_1d(c, (uint64_t) vkd__div_up(pc->m, tile->m) * pc->tiles_n, d->groups);
    d->groups[2] = parts;
    d->subgroup_size = tile->subgroup_size;
    vkd__gemm_spec(d, c->in[0].dtype, false);
    vkd__bind(d, slots.a);
    vkd__bind(d, slots.b);
    vkd__bind(d, slots.out);
}

static void forward(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, uint32_t images,
                    const struct vkd_gemm_tile *tile, struct vkd_conv_slots slots)
{
    struct vkd_pc_gather pc = vkd__conv_taps(v);
    pc.m = images * v->oh * v->ow;
    pc.n = v->k;
    pc.ldb = pc.ldc = vkd__pad4(v->k) / 4;
    pc.tap_stride = vkd__pad4(v->c) * pc.ldb;
    gather(c, p, &pc, tile, 1, slots);
}

static void dgrad(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, uint32_t images,
                  const struct vkd_gemm_tile *tile, struct vkd_conv_slots slots)
{
    struct vkd_pc_gather pc;
    for (uint32_t i = 0; vkd__conv_taps_back(v, i, &pc); i++) {
        pc.m = images * pc.rows_h * pc.rows_w;
        pc.n = v->c;
        pc.ldb = vkd__pad4(v->k) / 4;
        pc.ldc = vkd__pad4(v->c) / 4;
        pc.tap_stride = vkd__pad4(v->c) * pc.ldb;
        gather(c, p, &pc, tile, 1, slots);
    }
}

static void wgrad(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, uint32_t images,
                  const struct vkd_gemm_tile *tile, uint32_t parts, uint32_t split, struct vkd_conv_slots slots)
{
    struct vkd_pc_gather pc = vkd__conv_taps(v);
    pc.m = v->r * v->s * vkd__pad4(v->c);
    pc.n = v->k;
    pc.k = images * v->oh * v->ow;
    pc.ldb = pc.ldc = vkd__pad4(v->k) / 4;
    pc.stride_c = (u32) (vkd__part_stride(c->caps, (uint64_t) pc.m * pc.ldc * 4) / 4);
    pc.split = split;
    gather(c, p, &pc, tile, parts, slots);
}

// All windows of images write their partial sums one behind the other; sum_parts adds them.
static void wgrad_windows(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, uint32_t images,
                          struct vkd_conv_slots slots)
{
    struct vkd_conv_image image = vkd__conv_image(v);
    uint64_t size_x = image.size_x, size_y = image.size_y;
    struct vkd_gemm_tile tile = vkd__gemm_tile(c->caps, VKD_GEMM_WGRAD, v->type, v->k, images * image.numel_x,
                                               images * image.numel_y);
    uint32_t rows = v->r * v->s * vkd__pad4(v->c), pixels = v->oh * v->ow;
    uint64_t numel = (uint64_t) rows * vkd__pad4(v->k);
    uint64_t tiles = (uint64_t) vkd__div_up(rows, tile.m) * vkd__div_up(v->k, tile.n);
    uint32_t parts = vkd__reduction_parts(c->caps, tiles, images * pixels, numel * 4);
    uint32_t split = vkd__pad4(vkd__div_up((uint64_t) images * pixels, parts));
    uint64_t stride = vkd__part_stride(c->caps, numel);
    uint32_t total = 0;
    for (uint32_t n = 0; n < v->n; n += images)
        total += vkd__div_up((uint64_t) (v->n - n < images ? v->n - n : images) * pixels, split);
    if (total > 1)
        vkd__scratch(p, 0, total * stride * 4);
    uint32_t at = 0;
    for (uint32_t n = 0; n < v->n; n += images) {
        uint32_t count = v->n - n < images ? v->n - n : images;
        parts = vkd__div_up((uint64_t) count * pixels, split);
        struct vkd_conv_slots part = {
            vkd__slot_part(slots.a, n * size_x, count * size_x), vkd__slot_part(slots.b, n * size_y, count * size_y),
            total > 1 ? vkd__slot_part(VKD_SCRATCH(0), at * stride * 4, parts * stride * 4) : slots.out,
        };
        wgrad(c, p, v, count, &tile, parts, split, part);
        at += parts;
    }
    if (total > 1)
        vkd__sum_parts(c, p, vkd__slot_part(VKD_SCRATCH(0), 0, total * stride * 4), slots.out, VKD_F32, numel,
                       stride, total);
}

// 1x1 of stride 1: the image is the matrix.
static void pointwise(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v,
                      enum vkd_conv_pass pass, struct vkd_conv_slots slots)
{
    uint32_t pixels = v->n * v->h * v->w, ld_x = vkd__pad4(v->c), ld_y = vkd__pad4(v->k);
    struct vkd_gemm g = { .type = v->type, .a = slots.a, .b = slots.b, .c = slots.out };
    if (pass == VKD_CONV_FORWARD) {
        g.m = pixels, g.n = v->k, g.k = ld_x;
        g.lda = ld_x, g.ldb = ld_y, g.ldc = ld_y;
    } else if (pass == VKD_CONV_DGRAD) {
        g.m = pixels, g.n = v->c, g.k = v->k;
        g.lda = ld_y, g.ldb = ld_y, g.ldc = ld_x;
        g.trans_b = true;
    } else {
        g.m = ld_x, g.n = v->k, g.k = pixels;
        g.lda = ld_x, g.ldb = ld_y, g.ldc = ld_y;
        g.trans_a = true;
    }
    vkd__gemm(c, p, &g, 0);
}

void vkd__conv_gather(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v,
                      enum vkd_conv_pass pass, struct vkd_conv_slots slots)
{
    struct vkd_conv_image image = vkd__conv_image(v);
    uint64_t numel_w = (uint64_t) v->r * v->s * vkd__pad4(v->c) * vkd__pad4(v->k);
    uint32_t images = vkd__images_per_binding(c, p, v);
    if (!images)
        return;
    if ((uint64_t) v->r * v->s * (vkd__pad4(v->c > v->k ? v->c : v->k) / 4) >= SUM_MAX) {
        vkd__plan_fail(p, VKD_UNSUPPORTED, "a filter of %u x %u taps, %u and %u channels: at most %u products can be summed",
                       v->r, v->s, v->c, v->k, SUM_MAX * 4);
        return;
    }
    bool plain = v->r == 1 && v->s == 1 && v->stride[0] == 1 && v->stride[1] == 1 && !v->pad[0] && !v->pad[1];
    if (plain && (pass != VKD_CONV_WGRAD || images == v->n)) {
        pointwise(c, p, v, pass, slots);
        return;
    }
    if (pass == VKD_CONV_WGRAD) {
        wgrad_windows(c, p, v, images, slots);
        return;
    }
    bool fwd = pass == VKD_CONV_FORWARD;
    uint64_t size_a = fwd ? image.size_x : image.size_y, size_out = fwd ? image.size_y : image.size_x;
    struct vkd_gemm_tile tile = vkd__gemm_tile(c->caps, fwd ? VKD_GEMM_FORWARD : VKD_GEMM_DGRAD, v->type,
                                               fwd ? v->k : v->c, images * (fwd ? image.numel_x : image.numel_y), numel_w);
    for (uint32_t n = 0; n < v->n; n += images) {
        uint32_t count = v->n - n < images ? v->n - n : images;
        struct vkd_conv_slots part = { vkd__slot_part(slots.a, n * size_a, count * size_a), slots.b,
                                       vkd__slot_part(slots.out, n * size_out, count * size_out) };
        (fwd ? forward : dgrad)(c, p, v, count, &tile, part);
    }
}
