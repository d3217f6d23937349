// view.h -- sets made of images of others. Internal to engine/.
#ifndef VKD_DATA_VIEW_H
#define VKD_DATA_VIEW_H

#include <vkdiv/data.h>

struct vkd__view_part {
    const vkd_dataset *set;
    const uint32_t *indices;    // of its images; NULL: all of them
    uint32_t count;             // of indices
};

// The images of `count` parts, one part after the other, as one set called split `split` (a constant text). Parts must
// have the same classes and outlive it; its fingerprint is made of theirs and the indices.
//
//   VKD_INVALID    there are no images
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd__dataset_view(const struct vkd__view_part *parts, uint32_t count, const char *split,
                                         const struct vkd_log *log, vkd_dataset **out);

#endif
