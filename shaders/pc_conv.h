// pc_conv.h -- push constants of conv_grouped.
#ifndef VKD_PC_CONV_H
#define VKD_PC_CONV_H
#include "shared.h"

struct vkd_pc_conv {
    u32 images;
    u32 h, w, c;                    // x; channels padded
    u32 oh, ow, k;                  // y; channels padded
    u32 r, s;
    u32 stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x;
    u32 group_c, group_k;           // channels per group of x and of y
    u32 c_used, k_used;             // channels unpadded
    u32 count;                      // threads
    u32 part_rows, part_stride;     // wgrad: rows (n, oy) of y per part; vec4 between parts
};
VKD_PC_CHECK(vkd_pc_conv)
#endif
