// bench.h -- how long one call of an op takes on a device. Internal to engine/.
#ifndef VKD_BENCH_H
#define VKD_BENCH_H

#include "op.h"

// Seconds of one run: the median, and the quarters below and above it. All 0 where there is nothing to run.
struct vkd__bench_time { double median, low, high; };
struct vkd__bench_times { struct vkd__bench_time forward, grad[VKD_MAX_IN]; };   // each gradient alone

// Sorts `times` and summarises them; `count` is at least 1.
struct vkd__bench_time vkd__bench_summary(double *times, uint32_t count);

// Times `op` on random f32 inputs of these shapes: `runs` (at least 1) submissions after one that warms up, in
// which drivers may still compile.
//
//   VKD_INVALID  no such op, or it rejects the shapes (the log says why)
//   and what vkd__op_run_create returns
VKD_CHECKED vkd_result vkd__bench_call(vkd_device *dev, const char *op, const struct vkd_attr *attr,
                                       const struct vkd_shape *in, uint32_t in_count, uint32_t runs,
                                       struct vkd__bench_times *out);

#endif
