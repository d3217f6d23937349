// bench.h -- how long a pass of one call of an op takes on a device. Internal to engine/.
#ifndef VKD_BENCH_H
#define VKD_BENCH_H

#include "op.h"

// Seconds of one run: the median, and the quarters below and above it. All 0 where there is nothing to run.
struct vkd__bench_time { double median, low, high; };

// Sorts `times` and summarises them; `count` is at least 1.
struct vkd__bench_time vkd__bench_summary(double *times, uint32_t count);

// Times a call whose op, attributes, inputs (f32 or u32), `training` and `want` are set: the backward pass for
// `want`, or the forward pass where that is 0. `runs` (at least 1) submissions after one that warms up, in which
// drivers may still compile. The call is accepted here; `caps` and outputs need not be set.
//
//   VKD_INVALID  the op rejects the call, or has no such gradient (the log says why)
//   and what vkd__op_run_create returns
VKD_CHECKED vkd_result vkd__bench_call(vkd_device *dev, const struct vkd_call *call, uint32_t runs,
                                       struct vkd__bench_time *out);

#endif
