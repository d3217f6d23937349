// augment_draw.h -- what is done to an image: one text for C and GLSL, in integers alone, so that one
// seed gives one answer everywhere.
#ifndef VKD_AUGMENT_DRAW_H
#define VKD_AUGMENT_DRAW_H
#include "augment_drawn.h"
#include "pc_augment.h"
#include "philox.h"

struct vkd_words { u32 a, b, c, d; };       // four random words

#ifdef VKD_GLSL
#define VKD_INLINE
#define VKD_U32(v) uint(v)
#define VKD_I32(v) int(v)
#define VKD_F32(v) float(v)
vkd_words vkd_augment_words(u32 seed_low, u32 seed_high, u32 epoch, u32 index, u32 view, u32 draw)
{
    uvec4 ctr = vkd_philox(uvec4(VKD_STREAM_AUGMENT, epoch, index, view << 8 | draw), uvec2(seed_low, seed_high));
    return vkd_words(ctr.x, ctr.y, ctr.z, ctr.w);
}
u32 vkd_mul_high(u32 a, u32 b)
{
    u32 high, low;
    umulExtended(a, b, high, low);
    return high;
}
#else
#define VKD_INLINE static inline
#define VKD_U32(v) ((u32) (v))
#define VKD_I32(v) ((i32) (v))
#define VKD_F32(v) ((f32) (v))
typedef struct vkd_view vkd_view;
typedef struct vkd_words vkd_words;
typedef struct vkd_augment_crop vkd_augment_crop;
typedef struct vkd_augment_drawn vkd_augment_drawn;
typedef struct vkd_pc_augment_draw vkd_pc_augment_draw;
static inline vkd_words vkd_augment_words(u32 seed_low, u32 seed_high, u32 epoch, u32 index, u32 view, u32 draw)
{
    u32 ctr[4] = { VKD_STREAM_AUGMENT, epoch, index, view << 8 | draw }, seed[2] = { seed_low, seed_high };
    vkd_philox(ctr, seed);
    return (vkd_words) { ctr[0], ctr[1], ctr[2], ctr[3] };
}
static inline u32 vkd_mul_high(u32 a, u32 b) { return (u32) ((uint64_t) a * b >> 32); }
#endif

// a * b / 2^shift, rounded half up; 0 < shift < 32 and the result fits.
VKD_INLINE u32 vkd_mul_shift(u32 a, u32 b, u32 shift)
{
    u32 low = a * b, high = vkd_mul_high(a, b), half_unit = 1u << (shift - 1u);
    high += low + half_unit < low ? 1u : 0u;
    return (high << (32u - shift)) | ((low + half_unit) >> shift);
}

// The largest q < 2^26 with q^2 <= a * b.
VKD_INLINE u32 vkd_root(u32 a, u32 b)
{
    u32 high = vkd_mul_high(a, b), low = a * b, q = 0u;
    for (u32 bit = 1u << 25; bit > 0u; bit >>= 1) {
        u32 t = q | bit, t_high = vkd_mul_high(t, t), t_low = t * t;
        if (t_high < high || (t_high == high && t_low <= low))
            q = t;
    }
    return q;
}

// 2^(v / 2^24) * 2^19 for |v| < 8 * 2^24: the polynomial of 2^f over one octave, relative error 3e-6.
VKD_INLINE u32 vkd_exp2(i32 v)
{
    u32 biased = VKD_U32(v + 8 * 16777216), f = biased << 8;    // f: fraction * 2^32
    u32 p = 14417220u;                                      // coefficients * 2^30
    p = vkd_mul_high(p, f) + 56092695u;
    p = vkd_mul_high(p, f) + 259075165u;
    p = vkd_mul_high(p, f) + 744150485u;
    p = vkd_mul_high(p, f) + 1073741824u;
    return vkd_mul_shift(p, 1u << (biased >> 24), 19u);
}

// Half of d, halves to even, as Python rounds.
VKD_INLINE u32 vkd_half_even(u32 d) { return (d >> 1) + (d & (d >> 1) & 1u); }

// The whole image, its short side resized to `side` and its long side to at most 16 times that; left
// and top of a centre crop.
VKD_INLINE vkd_view vkd_augment_whole(u32 width, u32 height, u32 side, u32 size)
{
    vkd_view v;
    v.x = v.y = v.flip = 0u;
    v.w = width;
    v.h = height;
    v.rw = width < height ? side : width / 16u < height ? side * width / height : 16u * side;
    v.rh = height < width ? side : height / 16u < width ? side * height / width : 16u * side;
    v.left = VKD_I32(vkd_half_even(v.rw - size));
    v.top = VKD_I32(vkd_half_even(v.rh - size));
    return v;
}

// A random part of the image: ten tries for area and aspect, then the largest centred part whose aspect is allowed.
VKD_INLINE vkd_view vkd_augment_part(vkd_augment_crop c, u32 width, u32 height, u32 index, u32 seed_low, u32 seed_high,
                                     u32 epoch)
{
    vkd_view v;
    v.left = v.top = 0;
    v.rw = v.rh = c.size;
    v.flip = 0u;
    for (u32 attempt = 1u; attempt <= 10u; attempt++) {
        vkd_words r = vkd_augment_words(seed_low, seed_high, epoch, index, c.view, attempt);
        u32 share = c.scale[0] + vkd_mul_high(c.scale[1] - c.scale[0] + 1u, r.a);
        u32 root = vkd_root(width * height, share);      // of the part's area, * 2^12
        i32 aspect = c.root[0] + VKD_I32(vkd_mul_high(VKD_U32(c.root[1] - c.root[0]) + 1u, r.b));
        v.w = vkd_mul_shift(root, vkd_exp2(aspect), 31u);
        v.h = vkd_mul_shift(root, vkd_exp2(-aspect), 31u);
        if (v.w > 0u && v.w <= width && v.h > 0u && v.h <= height) {
            v.x = vkd_mul_high(width - v.w + 1u, r.c);
            v.y = vkd_mul_high(height - v.h + 1u, r.d);
            return v;
        }
    }
    u32 widest = vkd_mul_shift(height, c.ratio[1], 16u);       // of full height
    u32 narrowest = vkd_mul_shift(height, c.ratio[0], 16u);
    v.w = width < widest ? width : widest;
    v.h = height;
    if (width < narrowest)
        v.h = (width * 65536u + c.ratio[0] / 2u) / c.ratio[0];
    v.w = v.w > 0u ? v.w : 1u;
    v.h = v.h > 0u ? v.h : 1u;
    v.x = (width - v.w) / 2u;
    v.y = (height - v.h) / 2u;
    return v;
}

VKD_INLINE vkd_view vkd_augment_view(vkd_augment_crop c, u32 width, u32 height, u32 index, u32 seed_low, u32 seed_high,
                                     u32 epoch)
{
    vkd_view v;
    vkd_words r = vkd_augment_words(seed_low, seed_high, epoch, index, c.view, 0u);
    if (c.mode == VKD_AUGMENT_RESIZED_CROP)
        v = vkd_augment_part(c, width, height, index, seed_low, seed_high, epoch);
    else
        v = vkd_augment_whole(width, height, c.resize, c.size);
    if (c.mode == VKD_AUGMENT_PAD_CROP) {
        v.left = VKD_I32(vkd_mul_high(v.rw + 2u * c.pad - c.size + 1u, r.b)) - VKD_I32(c.pad);
        v.top = VKD_I32(vkd_mul_high(v.rh + 2u * c.pad - c.size + 1u, r.c)) - VKD_I32(c.pad);
    }
    if (c.mode != VKD_AUGMENT_NONE)
        v.flip = (r.a >> 8) < c.flip ? 1u : 0u;
    return v;
}

// The i-th smallest of 24 orders of four operations, as vkd_augment_drawn.order has them.
VKD_INLINE u32 vkd_augment_order(u32 i)
{
    u32 left = 0x3210u, order = 0u, ways = 6u;      // ways to order what comes after the next
    for (u32 k = 0u; k < 4u; k++) {
        u32 at = 4u * (i / ways);
        order |= (left >> at & 15u) << (4u * k);
        left = (left >> (at + 4u) << at) | (left & ((1u << at) - 1u));
        i %= ways;
        ways = k == 0u ? 2u : 1u;
    }
    return order;
}

VKD_INLINE f32 vkd_augment_between(i32 low, u32 span, u32 word)     // both * 2^20, at most 2^24: exact
{
    return VKD_F32(low + VKD_I32(vkd_mul_high(span + 1u, word))) * (1.0f / 1048576.0f);
}

VKD_INLINE vkd_augment_drawn vkd_augment_draw(vkd_pc_augment_draw pc, u32 width, u32 height, u32 index, u32 seed_low,
                                              u32 seed_high, u32 epoch)
{
    vkd_augment_drawn d;
    vkd_words which = vkd_augment_words(seed_low, seed_high, epoch, index, pc.crop.view, 16u);
    vkd_words much = vkd_augment_words(seed_low, seed_high, epoch, index, pc.crop.view, 17u);
    vkd_words last = vkd_augment_words(seed_low, seed_high, epoch, index, pc.crop.view, 18u);
    d.view = vkd_augment_view(pc.crop, width, height, index, seed_low, seed_high, epoch);
    d.ops = (which.a >> 8) < pc.jitter ? pc.jitter_ops : 0u;
    d.ops |= (which.b >> 8) < pc.gray ? 1u << VKD_OP_GRAY : 0u;
    d.ops |= (which.c >> 8) < pc.blur ? 1u << VKD_OP_BLUR : 0u;
    d.ops |= (which.d >> 8) < pc.solarize ? 1u << VKD_OP_SOLARIZE : 0u;
    d.order = vkd_augment_order(vkd_mul_high(24u, last.a));
    d.factor[0] = vkd_augment_between(pc.low[0], pc.span[0], much.a);
    d.factor[1] = vkd_augment_between(pc.low[1], pc.span[1], much.b);
    d.factor[2] = vkd_augment_between(pc.low[2], pc.span[2], much.c);
    d.factor[3] = vkd_augment_between(pc.low[3], pc.span[3], much.d);
    d.sigma = vkd_augment_between(VKD_I32(pc.sigma_low), pc.sigma_span, last.b);
    return d;
}
#endif
