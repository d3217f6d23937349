// conv_winograd.c -- 3x3 convolution of stride 1 as F(4x4, 3x3): image tiles and filter are
// transformed, multiplied in 36 matrix products, and transformed back.
//
// Images are processed in chunks, so that the transformed ones stay small. dgrad is the convolution of
// dy with the filter turned round; wgrad sums the chunks' products in the last transform.
#include "conv.h"

#include "pc_winograd.h"

#include <stdio.h>

// Scratch: transformed images, transformed filter or gradient, products, parts of products.
enum { IMAGES, FILTER, PRODUCTS, PARTS };

enum { SCRATCH_MAX = 64 << 20 };    // bytes of transformed images and products, and of the parts of wgrad

// One pass seen as a convolution of `src` (h, w, c) into `dst` (oh, ow, k).
struct pass {
    uint32_t h, w, c, oh, ow, k;
    int32_t ofs[2];
    uint32_t tiles_y, tiles_x;  // per image
    uint32_t chunk;             // images at a time
};

static uint32_t tiles_of(const struct pass *s, uint32_t images) { return images * s->tiles_y * s->tiles_x; }

// Images at a time: few enough for the transformed ones to stay small, enough of them that the parts
// of wgrad's products do, too. 0 if there is no such number.
static uint32_t chunk_of(const struct vkd_caps *caps, const struct vkd_conv *v, const struct pass *s, bool wgrad)
{
    uint64_t most = SCRATCH_MAX < caps->storage_range_max ? SCRATCH_MAX : caps->storage_range_max;
    uint64_t few = caps->cpu ? most / 8 : most;         // on a CPU no slower, by measure
    uint64_t c = vkd__pad4(s->c), k = vkd__pad4(s->k), size_u = 144 * c * k;
    uint64_t size = vkd__dtype_size(v->type), src = s->h * s->w * c * size, dst = s->oh * s->ow * k * size;
    uint64_t per_image = 144ull * tiles_of(s, 1) * (c + k);
    uint32_t unit = vkd__rows_unit(caps, src, dst), fit = vkd__rows_per_binding(caps, v->n, src, dst);
    if (size_u > most)
        return 0;
    if (wgrad && few < 4 * size_u)      // a part of the products costs more than the images it is made of
        few = 4 * size_u < most ? 4 * size_u : most;
    uint64_t wanted = few / per_image;
    uint32_t least = wgrad ? vkd__div_up(v->n, (uint32_t) (most / size_u < v->n ? most / size_u : v->n)) : 1;
    if (wanted < least)
        wanted = least;
    uint32_t chunk = wanted < fit ? vkd__div_up(wanted, unit) * unit : fit;
    if (chunk > fit)
        chunk = fit;
    return chunk >= least && chunk * per_image <= most ? chunk : 0;
}

static struct pass pass_of(const struct vkd_caps *caps, const struct vkd_conv *v, enum vkd_conv_pass pass)
{
    struct pass s = { v->h, v->w, v->c, v->oh, v->ow, v->k, { -(int32_t) v->pad[0], -(int32_t) v->pad[1] }, 0, 0, 0 };
    if (pass == VKD_CONV_DGRAD)
        s = (struct pass) { v->oh, v->ow, v->k, v->h, v->w, v->c,
                            { (int32_t) v->pad[0] - 2, (int32_t) v->pad[1] - 2 }, 0, 0, 0 };
    s.tiles_y = vkd__div_up(s.oh, 4);
    s.tiles_x = vkd__div_up(s.ow, 4);
    s.chunk = chunk_of(caps, v, &s, pass == VKD_CONV_WGRAD);
    return s;
}

bool vkd__conv_winograd_fits(const struct vkd_caps *caps, const struct vkd_conv *v, enum vkd_conv_pass pass)
{
    if (v->r != 3 || v->s != 3 || v->groups > 1 || v->pad[0] > 2 || v->pad[1] > 2)
        return false;
    for (int i = 0; i < 2; i++)
        if (v->stride[i] != 1 || v->dilation[i] != 1)
            return false;
    return pass_of(caps, v, pass).chunk > 0;
}

// What a number written to and read from scratch costs in floating point operations: one of an
// image, one of a filter, one of a filter's gradient. Fitted on lavapipe for C 8 to 512, H 4 to 32; the
// GPU row assumes 20 operations per byte of memory traffic.
static const struct { double product, image, filter, gradient; } costs[2] = {
    { 0.85, 68, 38, 40 }, { 1, 160, 160, 200 },
};

static double round_up(double value, uint32_t unit)
{
    return (double) vkd__div_up((uint64_t) value, unit) * unit;
}

bool vkd__conv_winograd_pays(const struct vkd_caps *caps, const struct vkd_conv *v, enum vkd_conv_pass pass)
{
    if (!vkd__conv_winograd_fits(caps, v, pass))
        return false;
    bool dgrad = pass == VKD_CONV_DGRAD, wgrad = pass == VKD_CONV_WGRAD, gpu = !caps->cpu;
    struct vkd_gemm_tile tile = vkd__gemm_tile(caps, VKD_GEMM_NN, VKD_F32, dgrad ? v->c : v->k, 0, 0);
    double tiles = (double) v->n * vkd__div_up(dgrad ? v->h : v->oh, 4) * vkd__div_up(dgrad ? v->w : v->ow, 4);
    double pixels = (double) v->n * v->oh * v->ow, c = vkd__pad4(v->c), k = vkd__pad4(v->k);
    double inner = dgrad ? k : c, outer = round_up(dgrad ? c : k, tile.n);
    double direct = 18 * pixels * inner * outer;
    double products = 72 * (wgrad ? tiles : round_up(tiles, tile.m)) * inner * outer;
    double transforms = 36 * (tiles * (c + k) * costs[gpu].image +
                              c * k * (wgrad ? costs[gpu].gradient : costs[gpu].filter));
    return products * costs[gpu].product + transforms < direct;
}

static void transform(const struct vkd_call *c, struct vkd_plan *p, const char *kernel,
                      const struct vkd_pc_winograd *pc, struct vkd_slot from, struct vkd_slot to)
{
    struct vkd_dispatch *d = vkd__dispatch(p, kernel, pc, sizeof(*pc), 0, 0, 0);
    if (!d)
        return;
    vkd__load_spec(d, c->in[0].dtype);
    vkd__groups_1d(c, vkd__div_up(pc->count, 64), d->groups);
    vkd__bind(d, from);
    vkd__bind(d, to);
}

// The variant for sources of `numel` elements that are f32 always.
static const char *load_f32(const struct vkd_caps *caps, uint64_t numel)
{
    return vkd__load_name(caps, vkd__loads_texels(caps, numel), VKD_F32);
}

// Transforms `images` images of the pass's source (kind "image") or destination (kind "gradient").
static void transform_images(const struct vkd_call *c, struct vkd_plan *p, const struct pass *s, bool gradient,
                             uint32_t first, uint32_t images, struct vkd_slot from, uint32_t scratch)
{
    uint32_t h = gradient ? s->oh : s->h, w = gradient ? s->ow : s->w, ch = vkd__pad4(gradient ? s->k : s->c);
    uint64_t numel = (uint64_t) h * w * ch, size = 144ull * tiles_of(s, images) * ch;
    uint64_t image = numel * vkd__dtype_size(c->in[0].dtype);
    bool texel = vkd__loads_texels(c->caps, images * numel);
    uint32_t vectors = ch / (texel ? 4 : 2);
    struct vkd_pc_winograd pc = {
        .h = h, .w = w, .c = vectors,
        .tiles_y = s->tiles_y, .tiles_x = s->tiles_x,
        .ofs_y = gradient ? 0 : s->ofs[0], .ofs_x = gradient ? 0 : s->ofs[1],
        .count = tiles_of(s, images) * vectors,
    };
    char kernel[48];
    snprintf(kernel, sizeof(kernel), "winograd_input.%s.%s", gradient ? "gradient" : "image",
             vkd__load_name(c->caps, texel, c->in[0].dtype));
    vkd__scratch(p, scratch, size);
    transform(c, p, kernel, &pc, vkd__slot_part(from, first * image, images * image),
              vkd__slot_part(VKD_SCRATCH((uint8_t) scratch), 0, size));
}

// The source's convolution with w, turned round in dgrad.
static void convolve(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, const struct pass *s,
                     bool dgrad, struct vkd_conv_slots slots)
{
    uint32_t ch = vkd__pad4(s->c), k = vkd__pad4(s->k), w_c = vkd__pad4(v->c), w_k = vkd__pad4(v->k);
    uint64_t size_u = 144ull * ch * k, image = (uint64_t) s->oh * s->ow * k * vkd__dtype_size(v->type);
    char kernel[48];
    struct vkd_pc_winograd filter = { .count = w_c * (w_k / 4), .flip = dgrad };
    vkd__scratch(p, FILTER, size_u);
    snprintf(kernel, sizeof(kernel), "winograd_filter.forward.%s", load_f32(c->caps, size_u / 4));
    transform(c, p, kernel, &filter, slots.b, vkd__slot_part(VKD_SCRATCH(FILTER), 0, size_u));
    for (uint32_t n = 0; n < v->n; n += s->chunk) {
        uint32_t images = v->n - n < s->chunk ? v->n - n : s->chunk, tiles = tiles_of(s, images);
        uint64_t size_v = 144ull * tiles * ch, size_m = 144ull * tiles * k;
        transform_images(c, p, s, false, n, images, slots.a, IMAGES);
        vkd__scratch(p, PRODUCTS, size_m);
        vkd__gemm(c, p, &(struct vkd_gemm) {
            .m = tiles, .n = s->k, .k = ch, .trans_b = dgrad,
            .lda = ch, .ldb = w_k, .ldc = k,
            .batch = 36, .stride_a = tiles * ch, .stride_b = w_c * w_k,
            .a = vkd__slot_part(VKD_SCRATCH(IMAGES), 0, size_v), .b = vkd__slot_part(VKD_SCRATCH(FILTER), 0, size_u),
            .c = vkd__slot_part(VKD_SCRATCH(PRODUCTS), 0, size_m),
        }, PARTS);
        bool texel = vkd__loads_texels(c->caps, size_m / 4);
        uint32_t vectors = k / (texel ? 4 : 2);
        struct vkd_pc_winograd out = {
            .h = s->oh, .w = s->ow, .c = vectors,
            .tiles_y = s->tiles_y, .tiles_x = s->tiles_x, .count = tiles * vectors,
        };
        snprintf(kernel, sizeof(kernel), "winograd_output.%s", vkd__load_name(c->caps, texel, v->type));
        transform(c, p, kernel, &out,
                  vkd__slot_part(VKD_SCRATCH(PRODUCTS), 0, size_m),
                  vkd__slot_part(slots.out, n * image, images * image));
    }
}

static void wgrad(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v, const struct pass *s,
                  struct vkd_conv_slots slots)
{
    uint32_t ch = vkd__pad4(v->c), k = vkd__pad4(v->k), parts = vkd__div_up(v->n, s->chunk);
    uint64_t stride = vkd__part_stride(c->caps, 36ull * ch * k);
    vkd__scratch(p, PRODUCTS, parts * stride * 4);
    for (uint32_t n = 0, at = 0; n < v->n; n += s->chunk, at++) {
        uint32_t images = v->n - n < s->chunk ? v->n - n : s->chunk, tiles = tiles_of(s, images);
        transform_images(c, p, s, false, n, images, slots.a, IMAGES);
        transform_images(c, p, s, true, n, images, slots.b, FILTER);
        vkd__gemm(c, p, &(struct vkd_gemm) {
            .m = ch, .n = v->k, .k = tiles, .trans_a = true,
            .lda = ch, .ldb = k, .ldc = k,
            .batch = 36, .stride_a = tiles * ch, .stride_b = tiles * k,
            .a = vkd__slot_part(VKD_SCRATCH(IMAGES), 0, 144ull * tiles * ch),
            .b = vkd__slot_part(VKD_SCRATCH(FILTER), 0, 144ull * tiles * k),
            .c = vkd__slot_part(VKD_SCRATCH(PRODUCTS), at * stride * 4, 144ull * ch * k),
        }, PARTS);
    }
    uint32_t vector = vkd__loads_texels(c->caps, parts * stride) ? 4 : 2;
    struct vkd_pc_winograd pc = { .count = ch * (k / vector), .parts = parts, .part_stride = (u32) (stride / vector) };
    char kernel[48];
    snprintf(kernel, sizeof(kernel), "winograd_filter.gradient.%s", load_f32(c->caps, parts * stride));
    transform(c, p, kernel, &pc, vkd__slot_part(VKD_SCRATCH(PRODUCTS), 0, parts * stride * 4), slots.out);
}

void vkd__conv_winograd(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v,
                        enum vkd_conv_pass pass, struct vkd_conv_slots slots)
{
    struct pass s = pass_of(c->caps, v, pass);
    if (pass == VKD_CONV_WGRAD)
        wgrad(c, p, v, &s, slots);
    else
        convolve(c, p, v, &s, pass == VKD_CONV_DGRAD, slots);
}
