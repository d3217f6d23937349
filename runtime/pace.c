// pace.c -- how much goes into one submission: drivers reset a device whose submissions take seconds.
//
// Every list takes two timestamps, which the device copies into mapped memory when the list ends. A submission takes
// lists until what they took before fills the device's budget; a list that has not run yet goes alone.
#include "internal.h"

enum { SLOTS = 1024 };      // lists that can be timed

// What the device writes. It may write while the host reads: a number that cannot be is left out.
struct stamp { uint64_t begin, end; };

static vkd_result make_slots(vkd_device *dev)
{
    struct vkd__pace *pace = &dev->pace;
    vkd_result result;
    VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 2 * SLOTS,
    };
    TRY(vkd_buffer_create(dev, SLOTS * sizeof(struct stamp), VKD_MEMORY_READBACK, &pace->stamps));
    VK(dev, dev->vk.vkCreateQueryPool(dev->handle, &info, dev->host_memory, &pace->queries));
    for (uint32_t i = 0; i < SLOTS; i++)
        pace->free_slots[i / 64] |= (uint64_t) 1 << i % 64;
    return VKD_OK;
fail:
    vkd__pace_finish(dev);
    return result;
}

static uint32_t take_slot(vkd_device *dev)
{
    struct vkd__pace *pace = &dev->pace;
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (pace->free_slots[i / 64] >> i % 64 & 1) {
            pace->free_slots[i / 64] &= ~((uint64_t) 1 << i % 64);
            return i + 1;
        }
    }
    return 0;
}

vkd_result vkd__pace_begin(vkd_device *dev, vkd_commands *cmds)
{
    vkd_result result;
    if (cmds->embedded || !dev->caps.timestamp_bits)
        return VKD_OK;
    if (!dev->pace.queries)
        TRY(make_slots(dev));
    if (!cmds->pace_slot)
        cmds->pace_slot = take_slot(dev);
    cmds->seconds = -1;
    if (!cmds->pace_slot)
        return VKD_OK;
    ((struct stamp *) vkd_buffer_data(dev->pace.stamps))[cmds->pace_slot - 1] = (struct stamp) { 0 };
    uint32_t first = 2 * (cmds->pace_slot - 1);
    dev->vk.vkCmdResetQueryPool(cmds->handle, dev->pace.queries, first, 2);
    dev->vk.vkCmdWriteTimestamp(cmds->handle, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, dev->pace.queries, first);
    return VKD_OK;
fail:
    return result;
}

void vkd__pace_end(vkd_device *dev, vkd_commands *cmds)
{
    if (!cmds->pace_slot)
        return;
    uint32_t first = 2 * (cmds->pace_slot - 1);
    dev->vk.vkCmdWriteTimestamp(cmds->handle, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, dev->pace.queries, first + 1);
    dev->vk.vkCmdCopyQueryPoolResults(cmds->handle, dev->pace.queries, first, 2, dev->pace.stamps->handle,
                                      dev->pace.stamps->base + first / 2 * sizeof(struct stamp), sizeof(uint64_t),
                                      VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
}

void vkd__pace_free(vkd_device *dev, vkd_commands *cmds)
{
    if (cmds->pace_slot)
        dev->pace.free_slots[(cmds->pace_slot - 1) / 64] |= (uint64_t) 1 << (cmds->pace_slot - 1) % 64;
}

// Takes in what the list took last, if it has run.
static double seconds_of(vkd_device *dev, vkd_commands *cmds)
{
    if (!cmds->pace_slot)
        return -1;
    const volatile struct stamp *s = (struct stamp *) vkd_buffer_data(dev->pace.stamps) + cmds->pace_slot - 1;
    uint32_t bits = dev->caps.timestamp_bits;
    uint64_t begin = s->begin, end = s->end, mask = bits >= 64 ? UINT64_MAX : ((uint64_t) 1 << bits) - 1;
    double seconds = (double) ((end - begin) & mask) * dev->caps.timestamp_ns * 1e-9;
    if (begin && end && seconds < 60)
        cmds->seconds = cmds->seconds < 0 ? seconds : 0.5 * (cmds->seconds + seconds);
    return cmds->seconds;
}

uint32_t vkd__pace_count(vkd_device *dev, vkd_commands *const *lists, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        double seconds = seconds_of(dev, lists[i]);
        bool fits = seconds >= 0 && sum + seconds <= dev->pace.budget;
        if (!fits)
            return i ? i : 1;
        sum += seconds;
    }
    return count;
}

void vkd__pace_finish(vkd_device *dev)
{
    vkd_buffer_destroy(dev, &dev->pace.stamps);
    dev->vk.vkDestroyQueryPool(dev->handle, dev->pace.queries, dev->host_memory);
    dev->pace.queries = VK_NULL_HANDLE;
}
