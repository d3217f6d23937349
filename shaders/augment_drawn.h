// augment_drawn.h -- what is done to one image: the result of all random draws, as kernels keep it in
// a buffer and as the definition in double takes it.
#ifndef VKD_AUGMENT_DRAWN_H
#define VKD_AUGMENT_DRAWN_H
#include "shared.h"

// The part (x, y, w, h) of the image is resized to (rw, rh); the output's pixel (0, 0) is the resized
// image's pixel (left, top), and columns are mirrored when flip is 1.
struct vkd_view {
    u32 x, y, w, h;
    u32 rw, rh;
    i32 left, top;
    u32 flip;
};

// Operations; the first four are those of the colour jitter, in `order` by these numbers.
#define VKD_OP_BRIGHTNESS 0u
#define VKD_OP_CONTRAST   1u
#define VKD_OP_SATURATION 2u
#define VKD_OP_HUE        3u
#define VKD_OP_GRAY       4u
#define VKD_OP_BLUR       5u
#define VKD_OP_SOLARIZE   6u

#ifdef VKD_GLSL
#define VKD_VIEW vkd_view
#else
#define VKD_VIEW struct vkd_view
#endif

struct vkd_augment_drawn {
    VKD_VIEW view;
    u32 ops;            // bit i: operation i is done
    u32 order;          // four hex digits: the operation done first in the lowest
    f32 factor[4];      // of brightness, contrast, saturation; the hue's turn in -0.5 ... 0.5
    f32 sigma;          // of the blur, in pixels
};
#undef VKD_VIEW
#endif
