// pc_augment.h -- push constants of the augment*.comp. Everything that decides what is done to an image
// is an integer, so that all devices decide alike.
#ifndef VKD_PC_AUGMENT_H
#define VKD_PC_AUGMENT_H
#include "shared.h"

#define VKD_AUGMENT_NONE         0u
#define VKD_AUGMENT_PAD_CROP     1u
#define VKD_AUGMENT_RESIZED_CROP 2u

#define VKD_FILTER_BILINEAR      0u
#define VKD_FILTER_BICUBIC       1u

// Which part of an image is taken.
struct vkd_augment_crop {
    u32 mode;
    u32 size;           // output height and width
    u32 resize, pad;
    u32 flip;           // probability * 2^24
    u32 scale[2];       // share of the area * 2^24
    i32 root[2];        // log2 of the square root of the aspect, * 2^24
    u32 ratio[2];       // aspect * 2^16
    u32 view;           // stream of the draws
};

#ifdef VKD_GLSL
#define VKD_CROP vkd_augment_crop
#else
#define VKD_CROP struct vkd_augment_crop
#endif

// augment.comp
struct vkd_pc_augment {
    VKD_CROP crop;
    u32 batch;          // images
    u32 channels;       // 1 or 3
    f32 gain[3], bias[3];   // y = value * gain + bias, value in 0 ... 255
};
VKD_PC_CHECK(vkd_pc_augment)

// augment_draw.comp
struct vkd_pc_augment_draw {
    VKD_CROP crop;
    u32 batch;
    u32 jitter;         // probability * 2^24
    u32 jitter_ops;     // bits of the four operations that are wanted
    i32 low[4];         // the least factor * 2^20
    u32 span[4];        // the greatest minus the least, * 2^20
    u32 gray, blur, solarize;   // probabilities * 2^24
    u32 sigma_low, sigma_span;  // * 2^20
};
VKD_PC_CHECK(vkd_pc_augment_draw)

// augment_photo.comp, augment_blur.comp
struct vkd_pc_augment_photo {
    u32 batch, size;
    u32 chunks;         // workgroups per image
    u32 blur_half;      // pixels on each side that the blur reaches
    f32 gain[3], bias[3];
};
VKD_PC_CHECK(vkd_pc_augment_photo)
#undef VKD_CROP
#endif
