// pc_batch_norm.h -- push constants of batch_norm*.comp.
#ifndef VKD_PC_BATCH_NORM_H
#define VKD_PC_BATCH_NORM_H
#include "shared.h"

// A thread owns four channels and up to `per_thread` rows, `lanes` rows apart, so that neighbouring
// threads touch neighbouring memory however small C is. Chunk j starts at row
// (j / lanes) * lanes * per_thread + j % lanes.
struct vkd_pc_batch_norm {
    u32 rows;           // N * H * W
    u32 c, c4;          // channels; vec4s per row
    u32 lanes;
    u32 per_thread;
    u32 chunks;         // a multiple of lanes; the last ones may be empty
    f32 eps, momentum;
};
VKD_PC_CHECK(vkd_pc_batch_norm)
#endif
