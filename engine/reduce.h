// reduce.h -- sums of a tensor over any of its dimensions, in a fixed order. Internal.
#ifndef VKD_REDUCE_H
#define VKD_REDUCE_H

#include "op.h"

// dst (f32) = scale * sum of src (f32 or of 16 bits, as `desc` says) over the dimensions of `axes` (bit i: dimension i),
// which stay as dimensions of 1. Uses scratch 0 and 1 for partial sums.
void vkd__reduce(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_slot dst,
                 struct vkd_desc desc, uint32_t axes, float scale);

// dst (of `shape`) = scale * src, repeated along `axes`.
void vkd__reduce_back(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_slot dst,
                      struct vkd_shape shape, uint32_t axes, float scale);

// shape() and ref() of sum and mean, by attr.axes.
bool vkd__reduce_shape(struct vkd_call *c);
void vkd__reduce_ref(const struct vkd_call *c, const double *x, double *y, double scale);

#endif
