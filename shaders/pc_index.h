// pc_index.h -- push constants of row_index.comp and queue_push.comp.
#ifndef VKD_PC_INDEX_H
#define VKD_PC_INDEX_H
#include "shared.h"

struct vkd_pc_index {
    u32 count, begin, period;   // y[i] = begin + i % period for i < count
};
VKD_PC_CHECK(vkd_pc_index)

struct vkd_pc_queue {
    u32 count;                  // vec4s of the keys
    u32 c4;                     // vec4s per row
    u32 rows;                   // of the queue
};
VKD_PC_CHECK(vkd_pc_queue)
#endif
