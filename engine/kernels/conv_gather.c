// conv_gather.c -- convolution as a matrix product whose A is gathered from the image.
//
// dgrad runs once for each remainder of dx's pixels by the stride: all pixels of one remainder meet
// the same taps of the filter, so no tap is visited in vain and none needs a test.
#include "conv.h"

#include "pc_gemm.h"

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
    vkd__bind(d, slots.a);
    vkd__bind(d, slots.b);
    vkd__bind(d, slots.out);
}

static void forward(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, uint32_t images,
                    const struct vkd_gemm_tile *tile, struct vkd_conv_slots slots)
{
    struct vkd_pc_gather pc = {
        .m = images * v->oh * v->ow, .n = v->k,
        .ldb = vkd__pad4(v->k) / 4, .ldc = vkd__pad4(v->k) / 4,
        .rows_h = v->oh, .rows_w = v->ow,
        .src_h = v->h, .src_w = v->w, .src_c = vkd__pad4(v->c) / 4,
        .mul_y = (i32) v->stride[0], .mul_x = (i32) v->stride[1],
        .base_y = -(i32) v->pad[0], .base_x = -(i32) v->pad[1],
        .step_y = (i32) v->dilation[0], .step_x = (i32) v->dilation[1],
        .taps_y = v->r, .taps_x = v->s, .tap_dy = v->s, .tap_dx = 1,
        .tap_stride = vkd__pad4(v->c) * vkd__pad4(v->k) / 4,
        .out_h = v->oh, .out_w = v->ow, .out_mul = 1 | 1 << 16,
    };
    gather(c, p, &pc, tile, 1, slots);
}

static void dgrad(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, uint32_t images,
                  const struct vkd_gemm_tile *tile, struct vkd_conv_slots slots)
{
    struct vkd_pc_gather pc = {
        .n = v->c,
        .ldb = vkd__pad4(v->k) / 4, .ldc = vkd__pad4(v->c) / 4,
        .src_h = v->oh, .src_w = v->ow, .src_c = vkd__pad4(v->k) / 4,
        .mul_y = 1, .mul_x = 1,
        .tap_stride = vkd__pad4(v->c) * vkd__pad4(v->k) / 4,
        .out_h = v->h, .out_w = v->w, .out_mul = v->stride[0] | v->stride[1] << 16,
    };
    for (uint32_t y = 0; y < v->stride[0] && y < v->h; y++) {
        struct phase fy = phase_of(y, v->r, v->stride[0], v->pad[0], v->dilation[0]);
        for (uint32_t x = 0; x < v->stride[1] && x < v->w; x++) {
            struct phase fx = phase_of(x, v->s, v->stride[1], v->pad[1], v->dilation[1]);
            pc.rows_h = vkd__div_up(v->h - y, v->stride[0]);
            pc.rows_w = vkd__div_up(v->w - x, v->stride[1]);
            pc.m = images * pc.rows_h * pc.rows_w;
            pc.base_y = fy.base;
            pc.base_x = fx.base;
            pc.step_y = -fy.back;
            pc.step_x = -fx.back;
            pc.taps_y = fx.count ? fy.count : 0;
            pc.taps_x = fx.count;
            pc.tap0 = fy.first * v->s + fx.first;
            pc.tap_dy = fy.step * v->s;
            pc.tap_dx = fx.step;
            pc.out_base = y | x << 16;
            gather(c, p, &pc, tile, 1, slots);
        }
    }
}

static void wgrad(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, uint32_t images,
                  const struct vkd_gemm_tile *tile, uint32_t parts, uint32_t split, struct vkd_conv_slots slots)
{
    uint32_t rows = v->r * v->s * vkd__pad4(v->c);
    struct vkd_pc_gather pc = {
        .m = rows, .n = v->k, .k = images * v->oh * v->ow,
        .ldb = vkd__pad4(v->k) / 4, .ldc = vkd__pad4(v->k) / 4,
        .stride_c = (u32) (vkd__part_stride(c->caps, (uint64_t) rows * vkd__pad4(v->k)) / 4), .split = split,
        .rows_h = v->oh, .rows_w = v->ow,
        .src_h = v->h, .src_w = v->w, .src_c = vkd__pad4(v->c) / 4,
        .mul_y = (i32) v->stride[0], .mul_x = (i32) v->stride[1],
        .base_y = -(i32) v->pad[0], .base_x = -(i32) v->pad[1],
        .step_y = (i32) v->dilation[0], .step_x = (i32) v->dilation[1],
        .taps_y = v->r, .taps_x = v->s,
    };
    gather(c, p, &pc, tile, parts, slots);
}

// All windows of images write their partial sums one behind the other; sum_parts adds them.
static void wgrad_windows(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, uint32_t images,
                          uint64_t size_x, uint64_t size_y, struct vkd_conv_slots slots)
{
    struct vkd_gemm_tile tile = vkd__gemm_tile(c->caps, VKD_GEMM_WGRAD, v->k, images * size_x, images * size_y);
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
        vkd__sum_parts(c, p, vkd__slot_part(VKD_SCRATCH(0), 0, total * stride * 4), slots.out, numel, stride, total);
}

// 1x1 of stride 1: the image is the matrix.
static void pointwise(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v,
                      enum vkd_conv_pass pass, struct vkd_conv_slots slots)
{
    uint32_t pixels = v->n * v->h * v->w, ld_x = vkd__pad4(v->c), ld_y = vkd__pad4(v->k);
    struct vkd_gemm g = { .a = slots.a, .b = slots.b, .c = slots.out };
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
    uint64_t size_x = (uint64_t) v->h * v->w * vkd__pad4(v->c) * 4;
    uint64_t size_y = (uint64_t) v->oh * v->ow * vkd__pad4(v->k) * 4;
    uint64_t size_w = (uint64_t) v->r * v->s * vkd__pad4(v->c) * vkd__pad4(v->k) * 4;
    uint32_t images = vkd__rows_per_binding(c->caps, v->n, size_x, size_y);
    if (!images || size_w > c->caps->storage_range_max) {
        vkd__plan_fail(p, VKD_UNSUPPORTED, "an image of %llu bytes exceeds the device's storage binding of %llu",
                       (unsigned long long) (size_x > size_y ? size_x : size_y),
                       (unsigned long long) c->caps->storage_range_max);
        return;
    }
    bool plain = v->r == 1 && v->s == 1 && v->stride[0] == 1 && v->stride[1] == 1 && !v->pad[0] && !v->pad[1];
    if (plain && (pass != VKD_CONV_WGRAD || images == v->n)) {
        pointwise(c, p, v, pass, slots);
        return;
    }
    if (pass == VKD_CONV_WGRAD) {
        wgrad_windows(c, p, v, images, size_x, size_y, slots);
        return;
    }
    bool fwd = pass == VKD_CONV_FORWARD;
    uint64_t size_a = fwd ? size_x : size_y, size_out = fwd ? size_y : size_x;
    struct vkd_gemm_tile tile = vkd__gemm_tile(c->caps, fwd ? VKD_GEMM_FORWARD : VKD_GEMM_DGRAD,
                                               fwd ? v->k : v->c, images * size_a, size_w);
    for (uint32_t n = 0; n < v->n; n += images) {
        uint32_t count = v->n - n < images ? v->n - n : images;
        struct vkd_conv_slots part = { vkd__slot_part(slots.a, n * size_a, count * size_a), slots.b,
                                       vkd__slot_part(slots.out, n * size_out, count * size_out) };
        (fwd ? forward : dgrad)(c, p, v, count, &tile, part);
    }
}
