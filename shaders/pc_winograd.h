// pc_winograd.h -- push constants of the Winograd transforms.
#ifndef VKD_PC_WINOGRAD_H
#define VKD_PC_WINOGRAD_H
#include "shared.h"

// winograd_filter uses the last fields only.
struct vkd_pc_winograd {
    u32 h, w;               // the image that is read or written
    u32 c;                  // vectors of its channels: vec4, in the variants called buffer vec2
    u32 tiles_y, tiles_x;   // tiles of 4x4 results per image
    i32 ofs_y, ofs_x;       // of a tile's first pixel from 4 times its number
    u32 count;              // threads: vectors of one of the 36 planes
    u32 flip;               // rotate the filter by half a turn
    u32 parts, part_stride; // of a filter's gradient: how many sums, vectors between them
};
VKD_PC_CHECK(vkd_pc_winograd)
#endif
