// pc_elementwise.h -- push constants of the kernels that treat every vec4 alike.
#ifndef VKD_PC_ELEMENTWISE_H
#define VKD_PC_ELEMENTWISE_H
#include "shared.h"

struct vkd_pc_elementwise {
    u32 count;          // vec4s
    u32 first;          // number of the first of them in its tensor
    u32 width;          // bias: vec4s per pixel
    u32 stream;         // dropout
    f32 alpha;          // scale: the factor; dropout: probability of a zero
};
VKD_PC_CHECK(vkd_pc_elementwise)
#endif
