// work.c -- one kernel, once.
#include "apps/selftest/work.h"

static vkd_result record(vkd_device *dev, const struct work *w, vkd_commands *cmds)
{
    struct vkd_range ranges[WORK_BUFFERS] = { { 0 } };
    vkd_kernel *kernel;
    vkd_result r = vkd_kernel_get(dev, &w->kernel, &kernel);
    if (r == VKD_OK)
        r = vkd_commands_begin(cmds);
    if (r != VKD_OK)
        return r;
    for (uint32_t i = 0; i < w->buffer_count; i++)
        ranges[i].buffer = w->buffers[i];
    vkd_commands_stamp(cmds, 0);
    vkd_commands_dispatch(cmds, kernel, ranges, w->buffer_count, w->push, w->push_size, w->groups);
    vkd_commands_stamp(cmds, 1);
    return vkd_commands_end(cmds);
}

vkd_result work_run(vkd_device *dev, struct work *w)
{
    vkd_commands *cmds = NULL;
    double seconds[2] = { 0 };
    uint64_t ticket;
    vkd_result r = vkd_commands_create(dev, &cmds);
    if (r == VKD_OK)
        r = record(dev, w, cmds);
    if (r == VKD_OK)
        r = vkd_submit(dev, &cmds, 1, &ticket);
    if (r == VKD_OK)
        r = vkd_wait(dev, ticket, UINT64_MAX, NULL);
    if (r == VKD_OK)
        r = vkd_commands_times(cmds, seconds, 2);
    w->seconds = seconds[1];
    vkd_commands_destroy(dev, &cmds);
    return r;
}

vkd_result work_buffer(vkd_device *dev, const void *data, uint64_t size, vkd_buffer **out)
{
    vkd_result r = vkd_buffer_create(dev, size, VKD_MEMORY_DEVICE, out);
    if (r == VKD_OK && data != NULL)
        r = vkd_buffer_write(dev, *out, 0, data, size);
    return r;
}
