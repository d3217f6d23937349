// pc_sinkhorn.h -- push constants of sinkhorn_columns.comp and sinkhorn_columns_finish.comp.
#ifndef VKD_PC_SINKHORN_H
#define VKD_PC_SINKHORN_H
#include "shared.h"

#define VKD_SINKHORN_CHUNK 32u      // rows that one thread sums

struct vkd_pc_sinkhorn {
    u32 rows, c4;       // of one tensor of scores
    u32 first, chunks;  // columns: number of its first chunk, its chunks; finish: 0, all chunks
    f32 eps;
};
VKD_PC_CHECK(vkd_pc_sinkhorn)
#endif
