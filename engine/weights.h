// weights.h -- layouts: parameters as PyTorch has them, and as the device has them. Internal.
#ifndef VKD_WEIGHTS_INTERNAL_H
#define VKD_WEIGHTS_INTERNAL_H

#include <vkdiv/weights.h>

// The shape of `p` in files; returns its rank (1, 2 or 4).
uint32_t vkd__param_file_shape(const struct vkd_param_info *p, uint64_t shape[4]);

// Copies `p` between the file's layout and memory's. Padding is dropped, or written as zeros.
void vkd__param_to_file(const struct vkd_param_info *p, const float *memory, float *file);
void vkd__param_from_file(const struct vkd_param_info *p, const float *file, float *memory);

#endif
