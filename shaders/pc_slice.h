// pc_slice.h -- push constants of slice.comp.
#ifndef VKD_PC_SLICE_H
#define VKD_PC_SLICE_H
#include "shared.h"

// y's channels lo ... hi-1 are x's from `from` on, for each of `rows` pixels; a thread writes a vec4 of y.
struct vkd_pc_slice {
    u32 rows;
    u32 x_width, y_width;       // vec4s per pixel
    u32 first, width;           // the vec4s of y's pixel that are written
    i32 lo, hi, from;
};
VKD_PC_CHECK(vkd_pc_slice)
#endif
