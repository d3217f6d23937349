// gpu.h -- the device that tests run on: VKDIV_DEVICE names it, VKDIV_VALIDATION=1 adds the validation layer.
#ifndef GPU_H
#define GPU_H

#include <vkdiv/device.h>

#include <stdio.h>
#include <stdlib.h>

static unsigned gpu_errors;     // messages of level error so far

static inline void gpu_log(void *user, enum vkd_log_level level, const char *text)
{
    (void) user;
    if (level == VKD_LOG_ERROR)
        gpu_errors++;
    if (level <= VKD_LOG_WARNING || getenv("VKDIV_LOG"))
        fprintf(stderr, "%s\n", text);
}

// The device, or NULL after a message.
static inline vkd_device *gpu_open(void)
{
    const char *validation = getenv("VKDIV_VALIDATION");
    struct vkd_device_params p = {
        .selector = getenv("VKDIV_DEVICE"),
        .log = { .fn = gpu_log },
        .validation = validation && *validation == '1',
    };
    vkd_device *dev = NULL;
    vkd_result r = vkd_device_create(&p, &dev);
    if (r < 0)
        fprintf(stderr, "no device to test on: %s\n", vkd_result_text(r));
    return dev;
}

#endif
