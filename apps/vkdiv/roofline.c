// roofline.c -- a device's copy bandwidth and multiply-add peak, by kernels that do nothing else.
#include "apps/vkdiv/bench.h"

#include "runtime/os.h"
#include "shaders/pc_bench.h"

#include <vkdiv/compute.h>

enum { LOCAL = 64, ROUNDS = 7, DISPATCHES = 4, ENOUGH = 2 };

// Seconds of one of the dispatches that `cmds` holds: the best of some rounds, the first left out; of fewer, when that takes
// more than ENOUGH seconds.
static vkd_result time_list(vkd_device *dev, vkd_commands *cmds, double *seconds)
{
    double best = 0, begin = vkd__os_seconds();
    for (int i = 0; i <= ROUNDS && (i < 2 || vkd__os_seconds() - begin < ENOUGH); i++) {
        uint64_t ticket;
        double start = vkd__os_seconds();
        vkd_result r = vkd_submit(dev, &cmds, 1, &ticket);
        if (r == VKD_OK)
            r = vkd_wait(dev, ticket, UINT64_MAX, NULL);
        if (r != VKD_OK)
            return r;
        double t = (vkd__os_seconds() - start) / DISPATCHES;
        if (i == 1 || (i > 1 && t < best))
            best = t;
    }
    *seconds = best;
    return VKD_OK;
}

// Times `kernel` on the buffers; its groups fill x and then y.
static vkd_result time_kernel(vkd_device *dev, const char *name, vkd_buffer *const *buffers, uint32_t buffer_count,
                              struct vkd_pc_bench push, uint32_t group_count, double *seconds)
{
    vkd_kernel *kernel;
    vkd_commands *cmds = NULL;
    struct vkd_range ranges[2] = { { 0 } };
    for (uint32_t i = 0; i < buffer_count; i++)
        ranges[i].buffer = buffers[i];
    struct vkd_kernel_params p = { .name = name };
    vkd_result r = vkd_kernel_get(dev, &p, &kernel);
    if (r == VKD_OK)
        r = vkd_commands_create(dev, &cmds);
    if (r == VKD_OK)
        r = vkd_commands_begin(cmds);
    if (r == VKD_OK) {
        uint32_t x = group_count < 32768 ? group_count : 32768, groups[3] = { x, group_count / x, 1 };
        for (int i = 0; i < DISPATCHES; i++)
            vkd_commands_dispatch(cmds, kernel, ranges, buffer_count, &push, sizeof push, groups);
        r = vkd_commands_end(cmds);
    }
    if (r == VKD_OK)
        r = time_list(dev, cmds, seconds);
    vkd_commands_destroy(dev, &cmds);
    return r;
}

// Both ways counted: a copied byte is read and written.
static vkd_result measure_copy(vkd_device *dev, const struct vkd_caps *caps, double *gb_s)
{
    uint64_t size = 256ull << 20;   // beyond any cache
    while (size > caps->storage_range_max || 3 * size > caps->memory_budget)
        size /= 2;
    vkd_buffer *buffers[2] = { NULL, NULL };
    bool texels = size / 16 <= caps->texel_count_max;
    double seconds = 0, other = 0;
    vkd_result r = vkd_buffer_create(dev, size, VKD_MEMORY_DEVICE, &buffers[0]);
    if (r == VKD_OK)
        r = vkd_buffer_create(dev, size, VKD_MEMORY_DEVICE, &buffers[1]);
    if (r == VKD_OK) {
        struct vkd_pc_bench push = { .count = (uint32_t)(size / 16) };
        r = time_kernel(dev, "bench_copy.buffer", buffers, 2, push, push.count / VKD_BENCH_GROUP, &seconds);
        if (r == VKD_OK && texels)
            r = time_kernel(dev, "bench_copy.texel", buffers, 2, push, push.count / VKD_BENCH_GROUP, &other);
        if (texels && other < seconds)
            seconds = other;
    }
    vkd_buffer_destroy(dev, &buffers[1]);
    vkd_buffer_destroy(dev, &buffers[0]);
    if (r == VKD_OK)
        *gb_s = 2 * (double)size / seconds / 1e9;
    return r;
}

static vkd_result measure_fma(vkd_device *dev, const struct vkd_caps *caps, const char *kernel, double *gflops)
{
    uint32_t groups = caps->cpu ? 256 : 16384, turns = 512;
    vkd_buffer *y = NULL;
    double seconds;
    const struct vkd_pc_bench push = { .count = turns, .factor = 0.5f };
    vkd_result r = vkd_buffer_create(dev, 4ull * groups * LOCAL, VKD_MEMORY_DEVICE, &y);
    groups /= 16;       // enough for a slow device
    if (r == VKD_OK)
        r = time_kernel(dev, kernel, &y, 1, push, groups, &seconds);
    if (r == VKD_OK && seconds < 0.005) {
        groups *= 16;
        r = time_kernel(dev, kernel, &y, 1, push, groups, &seconds);
    }
    vkd_buffer_destroy(dev, &y);
    if (r == VKD_OK)
        *gflops = (double)groups * LOCAL * turns * VKD_BENCH_FMAS * 4 * 2 / seconds / 1e9;
    return r;
}

vkd_result roofline_measure(vkd_device *dev, bool half, struct roofline *out)
{
    const struct vkd_caps *caps = vkd_device_caps(dev);
    struct roofline l = { 0 };
    vkd_result r = measure_copy(dev, caps, &l.copy_gb_s);
    if (r == VKD_OK)
        r = measure_fma(dev, caps, "bench_fma.f32", &l.f32_gflops);
    if (r == VKD_OK && half && caps->f16_arithmetic)
        r = measure_fma(dev, caps, "bench_fma.f16", &l.f16_gflops);
    if (r == VKD_OK)
        *out = l;
    return r;
}
