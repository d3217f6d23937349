// batch_image.h -- one image's entry in a batch as kernels read it: struct vkd_batch_image of data.h.
#ifndef VKD_BATCH_IMAGE_H
#define VKD_BATCH_IMAGE_H
#include "shared.h"

struct vkd_batch_entry {
    u32 index;              // in the set: the key of its random stream
    u32 label;
    u32 height, width;      // of its pixels, at most VKD_IMAGE_SIDE_MAX
    u32 ofs;                // in pixels (u32 words) from the start of the batch's pixels
    u32 reserved[3];
};

#define VKD_IMAGE_SIDE_MAX 16384u   // keeps the integer arithmetic of augment_draw.h within 32 bits
#endif
