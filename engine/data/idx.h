// idx.h -- the IDX container of MNIST: a magic number, big-endian sizes, bytes. Internal to the engine.
#ifndef VKD_DATA_IDX_H
#define VKD_DATA_IDX_H

#include "dataset.h"

struct vkd__idx {
    uint32_t sizes[3];          // outermost first; unused ones are 1
    uint8_t *bytes;             // malloc'd; sizes[0] * sizes[1] * sizes[2]
    uint64_t byte_count;
};

// Reads unsigned bytes of `dims` (1 or 3) dimensions from a file's content, gzip'ed or not. Memory is
// bounded by what the file's own size can hold, whatever its header claims. `why` names no file.
//
//   VKD_FORMAT, VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd__idx_read(const uint8_t *file, uint64_t size, uint32_t dims, struct vkd__idx *out,
                                     struct vkd__why *why);

#endif
