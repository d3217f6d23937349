// pc_augment.h -- push constants of augment.comp. Everything that decides where a pixel comes from is
// an integer, so that all devices decide alike.
#ifndef VKD_PC_AUGMENT_H
#define VKD_PC_AUGMENT_H
#include "shared.h"

#define VKD_AUGMENT_NONE         0u
#define VKD_AUGMENT_PAD_CROP     1u
#define VKD_AUGMENT_RESIZED_CROP 2u

struct vkd_pc_augment {
    u32 mode;
    u32 batch;          // images
    u32 size;           // output height and width
    u32 channels;       // 1 or 3
    u32 resize, pad;
    u32 flip;           // probability * 2^24
    u32 scale[2];       // share of the area * 2^24
    i32 root[2];        // log2 of the square root of the aspect, * 2^24
    u32 ratio[2];       // aspect * 2^16
    f32 gain[3], bias[3];   // y = value * gain + bias, value in 0 ... 255
};
VKD_PC_CHECK(vkd_pc_augment)
#endif
