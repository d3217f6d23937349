// optim_table.h -- the tables that let one dispatch update all tensors. Flat buffers are counted
// in quads (4 elements); every tensor is whole quads, and a chunk belongs to one tensor.
#ifndef VKD_OPTIM_TABLE_H
#define VKD_OPTIM_TABLE_H
#include "shared.h"

#define VKD_OPTIM_LOCAL       64    // invocations of a workgroup
#define VKD_OPTIM_CHUNK_QUADS 1024  // largest chunk; one workgroup each

struct vkd_optim_chunk {
    u32 quad, quad_count;   // where it lies in the flat buffers
    u32 tensor;
    u32 group;              // its learning rate: vkd_step_block.group_lr
    u32 adapt;              // 1: LARS and LAMB scale its step by norms
    f32 lr_factor, decay_factor;
};

struct vkd_optim_tensor {
    u32 chunk, chunk_count;
};
#endif
