// large.c -- tensors larger than a storage binding, and than 4 GiB: in windows, in place, each word known.
#include "apps/selftest/work.h"

#include "engine/op.h"
#include "runtime/os.h"

#include <string.h>

#define MIB ((uint64_t)1 << 20)

enum { PIECE = 16 };    // MiB that hold one number

// What piece `i` holds before it is multiplied by -2.
static float number_of(uint64_t i)
{
    return (float)(i % 4093 + 1);
}

static vkd_result record(vkd_device *dev, const struct vkd_plan *plan, vkd_buffer *x, uint64_t size, vkd_commands *cmds)
{
    vkd_result r = vkd_commands_begin(cmds);
    for (uint64_t i = 0; r == VKD_OK && i * PIECE * MIB < size; i++) {
        uint64_t ofs = i * PIECE * MIB, left = size - ofs;
        float v = number_of(i);
        uint32_t word;
        memcpy(&word, &v, 4);
        vkd_commands_fill(cmds, (struct vkd_range){ x, ofs, left < PIECE * MIB ? left : PIECE * MIB }, word);
    }
    for (uint32_t i = 0; r == VKD_OK && i < plan->count; i++) {
        const struct vkd_dispatch *d = &plan->dispatches[i];
        struct vkd_kernel_params kp = { .name = d->kernel, .spec_count = d->spec_count, .subgroup_size = d->subgroup_size };
        struct vkd_range ranges[VKD_MAX_BIND];
        vkd_kernel *kernel;
        memcpy(kp.spec, d->spec, sizeof kp.spec);
        for (uint32_t k = 0; k < d->bind_count; k++)    // input and output are one
            ranges[k] = (struct vkd_range){ x, d->bind[k].ofs, d->bind[k].size };
        r = vkd_kernel_get(dev, &kp, &kernel);
        if (r == VKD_OK)
            vkd_commands_dispatch(cmds, kernel, ranges, d->bind_count, d->push, d->push_size, d->groups);
    }
    return r == VKD_OK ? vkd_commands_end(cmds) : r;
}

static vkd_result multiply(vkd_device *dev, vkd_buffer *x, uint64_t size, uint32_t *windows)
{
    struct vkd_call c = { .op = vkd__op_find("scale"), .attr = { .alpha = -2 }, .in_count = 1, .caps = vkd_device_caps(dev) };
    struct vkd_plan plan = { 0 };
    vkd_commands *cmds = NULL;
    uint64_t ticket;
    c.in[0].shape = (struct vkd_shape){ { 1, 1, (uint32_t)(size / 4096), 1024 } };
    if (c.op == NULL || !c.op->shape(&c))
        return VKD_INVALID;
    c.op->forward(&c, &plan);
    *windows = plan.count;
    vkd_result r = plan.result;
    if (r == VKD_OK)
        r = vkd_commands_create(dev, &cmds);
    if (r == VKD_OK)
        r = record(dev, &plan, x, size, cmds);
    if (r == VKD_OK)
        r = vkd_submit(dev, &cmds, 1, &ticket);
    if (r == VKD_OK)
        r = vkd_wait(dev, ticket, UINT64_MAX, NULL);
    vkd_commands_destroy(dev, &cmds);
    vkd__plan_finish(&plan);
    return r;
}

// The first and last word of every piece.
static bool pieces_hold(struct selftest_run *t, vkd_buffer *x, uint64_t size)
{
    for (uint64_t i = 0; i * PIECE * MIB < size; i++) {
        uint64_t end = (i + 1) * PIECE * MIB < size ? (i + 1) * PIECE * MIB : size;
        const uint64_t places[] = { i * PIECE * MIB, end - 4 };
        for (int k = 0; k < 2; k++) {
            float got;
            if (!selftest_ok(t, vkd_buffer_read(t->dev, x, places[k], &got, 4), "reading a word"))
                return false;
            if (got != -2 * number_of(i)) {
                selftest_say(t, SELFTEST_FAIL, "byte %llu of %llu holds %g, expected %g", (unsigned long long)places[k],
                             (unsigned long long)size, (double)got, (double)(-2 * number_of(i)));
                return false;
            }
        }
    }
    return true;
}

static void check(struct selftest_run *t, uint64_t size)
{
    const struct vkd_caps *c = vkd_device_caps(t->dev);
    char a[24], b[24], most[24];
    uint64_t host = vkd__os_memory_free();
    if (c->memory_budget < size || (c->cpu && host > 0 && host / 2 < size)) {
        selftest_say(t, SELFTEST_SKIP, "takes %s, and the device has %s free", app_bytes(a, (double)size),
                     app_bytes(b, (double)(c->memory_budget < size ? c->memory_budget : host / 2)));
        return;
    }
    vkd_buffer *x = NULL;
    uint32_t windows = 0;
    vkd_result r = vkd_buffer_create(t->dev, size, VKD_MEMORY_DEVICE, &x);
    if (r == VKD_NO_MEMORY) {
        selftest_say(t, SELFTEST_SKIP, "the driver gives no buffer of %s; it says that one allocation may have %s",
                     app_bytes(a, (double)size), app_bytes(most, (double)c->allocation_max));
        return;
    }
    if (selftest_ok(t, r, "a buffer") && selftest_ok(t, multiply(t->dev, x, size, &windows), "scale") && pieces_hold(t, x, size)) {
        selftest_number(t, "bytes", (double)size);
        selftest_number(t, "windows", windows);
        selftest_say(t, SELFTEST_PASS, "%s in %u windows", app_bytes(a, (double)size), windows);
    }
    vkd_buffer_destroy(t->dev, &x);
}

static void beyond_binding(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    check(t, vkd_device_caps(t->dev)->storage_range_max / MIB * MIB + 33 * MIB);
}

static void beyond_4gib(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    check(t, 4096 * MIB + 33 * MIB);
}

static const struct selftest_probe probes[] = {
    { .name = "binding", .about = "a tensor larger than a storage binding", .run = beyond_binding, .slow = true },
    { .name = "4gib", .about = "a tensor of more than 4 GiB", .run = beyond_4gib, .slow = true },
};

const struct selftest_part selftest_part_large = {
    .name = "large", .title = "Large tensors", .place = 50, .probes = probes, .count = sizeof probes / sizeof probes[0],
};
