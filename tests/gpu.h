// gpu.h -- the device that tests run on: VKDIV_DEVICE names it, VKDIV_VALIDATION=1 adds the validation layer, VKDIV_LIMITS
// lets it seem to be of another kind (vkd_profile_at).
#ifndef GPU_H
#define GPU_H

#include <vkdiv/device.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned gpu_errors;         // messages of level error so far
static char gpu_last_error[1024];   // the last of them
static char gpu_last_warning[1024];

static inline void gpu_log(void *user, enum vkd_log_level level, const char *text)
{
    (void) user;
    if (level == VKD_LOG_ERROR) {
        gpu_errors++;
        snprintf(gpu_last_error, sizeof(gpu_last_error), "%s", text);
    }
    if (level == VKD_LOG_WARNING)
        snprintf(gpu_last_warning, sizeof(gpu_last_warning), "%s", text);
    if (level <= VKD_LOG_WARNING || getenv("VKDIV_LOG"))
        fprintf(stderr, "%s\n", text);
}

static inline struct vkd_device_params gpu_params(void)
{
    const char *validation = getenv("VKDIV_VALIDATION"), *limits = getenv("VKDIV_LIMITS");
    const struct vkd_profile *profile = limits && *limits ? vkd_profile_find(limits) : NULL;
    if (limits && *limits && !profile) {
        fprintf(stderr, "VKDIV_LIMITS: there is no profile '%s'\n", limits);
        exit(EXIT_FAILURE);
    }
    return (struct vkd_device_params) {
        .selector = getenv("VKDIV_DEVICE"),
        .log = { .fn = gpu_log },
        .validation = validation && *validation == '1',
        .profile = profile,
    };
}

// The device, or NULL after a message.
static inline vkd_device *gpu_open(void)
{
    struct vkd_device_params p = gpu_params();
    vkd_device *dev = NULL;
    vkd_result r = vkd_device_create(&p, &dev);
    if (r < 0)
        fprintf(stderr, "no device to test on: %s\n", vkd_result_text(r));
    return dev;
}

// Destroys the device; fails the test when the validation layer said anything.
static inline void gpu_close(vkd_device **dev)
{
    uint64_t messages = vkd_device_stats(*dev).validation_messages;
    vkd_device_destroy(dev);
    ck_assert_msg(messages == 0, "%llu validation messages", (unsigned long long) messages);
}

// Runs a suite in this process, as drivers do not survive a fork; returns main's exit status.
static inline int gpu_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
