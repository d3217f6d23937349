// work.h -- what several probes do on a device: buffers filled, a kernel run, words read back.
#ifndef VKD_SELFTEST_WORK_H
#define VKD_SELFTEST_WORK_H

#include "apps/selftest/selftest.h"

#include <vkdiv/compute.h>

enum { WORK_BUFFERS = 3 };

// One kernel on whole buffers.
struct work {
    struct vkd_kernel_params kernel;
    vkd_buffer *buffers[WORK_BUFFERS];
    uint32_t buffer_count;
    const void *push;
    uint32_t push_size, groups[3];
    double seconds;         // out: by the device's clock, 0 where it has none
};

// Runs it and waits. VKD_UNSUPPORTED: the kernel needs what the device lacks.
VKD_CHECKED vkd_result work_run(vkd_device *dev, struct work *w);

// A DEVICE buffer; with `data` (may be NULL) in it.
VKD_CHECKED vkd_result work_buffer(vkd_device *dev, const void *data, uint64_t size, vkd_buffer **out);

#endif
