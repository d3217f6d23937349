// roofline.c -- a device's copy bandwidth and multiply-add peak, by kernels that do nothing else.
#include "apps/vkdiv/bench.h"

#include "runtime/os.h"
#include "shaders/pc_bench.h"

#include <stdio.h>
#include <vkdiv/compute.h>

enum { LOCAL = 64, ROUNDS = 11, DISPATCHES = 4, ENOUGH = 2 };

// What a kernel took: the best time bounds what can be reached, the median says how steadily.
struct timing { double best; struct vkd__bench_time time; };

// Seconds of one of the dispatches that `cmds` holds, in some rounds, the first left out; in fewer, when they take more
// than ENOUGH seconds.
static vkd_result time_list(vkd_device *dev, vkd_commands *cmds, struct timing *out)
{
    double times[ROUNDS], begin = vkd__os_seconds();
    int count = 0;
    for (int i = -1; i < ROUNDS && (i < 1 || vkd__os_seconds() - begin < ENOUGH); i++) {
        uint64_t ticket;
        double start = vkd__os_seconds();
        vkd_result r = vkd_submit(dev, &cmds, 1, &ticket);
        if (r == VKD_OK)
            r = vkd_wait(dev, ticket, UINT64_MAX, NULL);
        if (r != VKD_OK)
            return r;
        if (i >= 0)
            times[count++] = (vkd__os_seconds() - start) / DISPATCHES;
    }
    out->time = vkd__bench_summary(times, (uint32_t)count);
    out->best = times[0];
    return VKD_OK;
}

// Times `kernel` on the buffers; its groups fill x and then y.
static vkd_result time_kernel(vkd_device *dev, const char *name, vkd_buffer *const *buffers, uint32_t buffer_count,
                              struct vkd_pc_bench push, uint32_t group_count, struct timing *out)
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
        r = time_list(dev, cmds, out);
    vkd_commands_destroy(dev, &cmds);
    return r;
}

static void add_row(struct roofline *l, const char *name, const char *dtype, const char *kernel, const struct timing *t)
{
    struct bench_row *row = &l->rows[l->row_count++];
    *row = (struct bench_row) { .time = t->time, .dtype = dtype };
    snprintf(row->name, sizeof row->name, "%s", name);
    snprintf(row->variant, sizeof row->variant, "%s", kernel);
}

// Both ways counted: a copied byte is read and written.
static vkd_result measure_copy(vkd_device *dev, const struct vkd_caps *caps, struct roofline *l)
{
    uint64_t size = 256ull << 20;   // beyond any cache
    while (size > caps->storage_range_max || 3 * size > caps->memory_budget)
        size /= 2;
    vkd_buffer *buffers[2] = { NULL, NULL };
    const bool texels = size / 16 <= caps->texel_count_max;
    struct timing t, other;
    const char *kernel = "bench_copy.buffer";
    vkd_result r = vkd_buffer_create(dev, size, VKD_MEMORY_DEVICE, &buffers[0]);
    if (r == VKD_OK)
        r = vkd_buffer_create(dev, size, VKD_MEMORY_DEVICE, &buffers[1]);
    if (r == VKD_OK) {
        struct vkd_pc_bench push = { .count = (uint32_t)(size / 16) };
        r = time_kernel(dev, kernel, buffers, 2, push, push.count / VKD_BENCH_GROUP, &t);
        static const char *const others[] = { "bench_copy.texel", "bench_copy.wide" };
        for (int i = 0; i < 2 && r == VKD_OK && texels && (i == 0 || caps->int64); i++) {
            r = time_kernel(dev, others[i], buffers, 2, push, push.count / VKD_BENCH_GROUP, &other);
            if (r == VKD_OK && other.best < t.best) {
                t = other;
                kernel = others[i];
            }
        }
    }
    vkd_buffer_destroy(dev, &buffers[1]);
    vkd_buffer_destroy(dev, &buffers[0]);
    if (r != VKD_OK)
        return r;
    add_row(l, "copy", "f32", kernel, &t);
    l->rows[0].bytes = 2 * (double)size;
    l->rows[0].elements = (double)size / 4;
    snprintf(l->rows[0].shape, sizeof l->rows[0].shape, "%llu MiB", (unsigned long long)(size >> 20));
    l->copy_gb_s = 2 * (double)size / t.best / 1e9;
    return VKD_OK;
}

// Turns of the loop so that a dispatch takes some 20 ms: some drivers emulate f16.
static uint32_t fit_turns(double seconds_of_16)
{
    uint32_t turns = 16;
    while (turns < 512 && turns / 16 * seconds_of_16 < 0.01)
        turns *= 2;
    return turns;
}

static vkd_result measure_fma(vkd_device *dev, const struct vkd_caps *caps, const char *type, struct roofline *l,
                              double *gflops)
{
    const uint32_t groups = caps->cpu ? 256 : 16384;
    struct vkd_pc_bench push = { .count = 16, .factor = 0.5f };
    vkd_buffer *y = NULL;
    struct timing t;
    char kernel[32];
    snprintf(kernel, sizeof kernel, "bench_fma.%s", type);
    vkd_result r = vkd_buffer_create(dev, 4ull * groups * LOCAL, VKD_MEMORY_DEVICE, &y);
    if (r == VKD_OK)
        r = time_kernel(dev, kernel, &y, 1, push, groups, &t);
    if (r == VKD_OK) {
        push.count = fit_turns(t.best);
        r = time_kernel(dev, kernel, &y, 1, push, groups, &t);
    }
    vkd_buffer_destroy(dev, &y);
    if (r != VKD_OK)
        return r;
    struct bench_row *row = &l->rows[l->row_count];
    add_row(l, "multiply-adds", type, kernel, &t);
    snprintf(row->shape, sizeof row->shape, "%u threads", groups * LOCAL);
    row->work = (double)groups * LOCAL * push.count * VKD_BENCH_FMAS * 4 * 2;
    *gflops = row->work / t.best / 1e9;
    return VKD_OK;
}

vkd_result roofline_measure(vkd_device *dev, bool half, struct roofline *out)
{
    const struct vkd_caps *caps = vkd_device_caps(dev);
    struct roofline l = { 0 };
    vkd_result r = measure_copy(dev, caps, &l);
    if (r == VKD_OK)
        r = measure_fma(dev, caps, "f32", &l, &l.f32_gflops);
    if (r == VKD_OK && half && caps->f16_arithmetic)
        r = measure_fma(dev, caps, "f16", &l, &l.f16_gflops);
    if (r == VKD_OK)
        *out = l;
    return r;
}

vkd_result bench_roofline(const struct bench *b)
{
    for (uint32_t i = 0; i < b->roof.row_count; i++)
        if (bench_wants(b, b->roof.rows[i].name, b->roof.rows[i].shape))
            b->tell(b->user, &b->roof.rows[i]);
    return VKD_OK;
}
