// bench.h -- how long one call of an op takes on a device. Internal to engine/.
#ifndef VKD_BENCH_H
#define VKD_BENCH_H

#include "op.h"

// Median seconds of the forward pass and of each input's gradient alone (0 where there is none).
struct vkd__bench_times { double forward, grad[VKD_MAX_IN]; };

// Times `op` on random f32 inputs of these shapes: `runs` (at least 1) submissions after one that warms up, in
// which drivers may still compile.
//
//   VKD_INVALID  no such op, or it rejects the shapes (the log says why)
//   and what vkd__op_run_create returns
VKD_CHECKED vkd_result vkd__bench_call(vkd_device *dev, const char *op, const struct vkd_attr *attr,
                                       const struct vkd_shape *in, uint32_t in_count, uint32_t runs,
                                       struct vkd__bench_times *out);

#endif
