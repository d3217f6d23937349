// channels.h -- copying channels from one tensor into a place of another. Internal.
#ifndef VKD_CHANNELS_H
#define VKD_CHANNELS_H

#include "op.h"

// For every pixel: `count` channels of src from `from` on go to dst's channels from `lo` on. Writes the vec4s of
// dst that these lie in, or (`all`) the whole pixel: other lanes become 0, except that lanes before lo are kept
// when `all` is false. Shapes differ in C alone. The type is that of in[0].
void vkd__channels(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_shape src_shape,
                   uint32_t from, struct vkd_slot dst, struct vkd_shape dst_shape, uint32_t lo, uint32_t count,
                   bool all);

// All elements of a tensor as the channels of one pixel: for copying rows.
static inline struct vkd_shape vkd__one_row(struct vkd_shape s)
{
    return (struct vkd_shape) { { 1, 1, 1, (uint32_t) vkd__numel(s) } };
}

#endif
