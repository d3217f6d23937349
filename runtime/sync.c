// sync.c -- the only place of barriers.
//
// A list remembers which ranges were read and written since its last barrier. A command that reads what
// was written, or writes what was read or written, waits at one global barrier; all others overlap.
#include <stdlib.h>

#include "internal.h"

// Beyond this many remembered ranges looking for hazards costs more than a barrier.
#define USES_MAX 256

static void barrier(vkd_device *dev, VkCommandBuffer cb, VkPipelineStageFlags src, VkAccessFlags src_access,
                    VkPipelineStageFlags dst, VkAccessFlags dst_access)
{
    VkMemoryBarrier b = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = src_access,
        .dstAccessMask = dst_access,
    };
    dev->vk.vkCmdPipelineBarrier(cb, src, dst, 0, 1, &b, 0, NULL, 0, NULL);
}

static const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
static const VkAccessFlags write_access = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
static const VkAccessFlags any_access = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT
                                      | VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
static const VkAccessFlags memory_access = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT;

// Orders the list after everything submitted before it, the application's own work included, or after what
// `edges` names of that and our own.
void vkd__sync_begin(vkd_device *dev, struct vkd__sync *sync, VkCommandBuffer cb, const struct vkd_edges *edges)
{
    sync->count = 0;
    if (edges && edges->before_stages)
        barrier(dev, cb, stages | edges->before_stages, write_access | edges->before_access, stages, any_access);
    else
        barrier(dev, cb, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, memory_access, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                memory_access);
}

static bool hazard(const struct vkd__sync *sync, const struct vkd__use *next)
{
    for (uint32_t i = 0; i < sync->count; i++) {
        const struct vkd__use *u = &sync->uses[i];
        if (u->buffer == next->buffer && u->ofs < next->end && next->ofs < u->end && (u->writes || next->writes))
            return true;
    }
    return false;
}

vkd_result vkd__sync_use(vkd_device *dev, struct vkd__sync *sync, VkCommandBuffer cb,
                         const struct vkd__use *uses, uint32_t count)
{
    bool wait = sync->count + count > USES_MAX;
    for (uint32_t i = 0; i < count && !wait; i++)
        wait = hazard(sync, &uses[i]);
    if (wait) {
        barrier(dev, cb, stages, write_access, stages, any_access);
        sync->count = 0;
    }
    if (!vkd__reserve(&sync->uses, &sync->capacity, sync->count + count, sizeof(*sync->uses)))
        return vkd__fail(dev, VKD_NO_MEMORY, "out of host memory");
    for (uint32_t i = 0; i < count; i++) {
        if (uses[i].reads || uses[i].writes)
            sync->uses[sync->count++] = uses[i];
    }
    return VKD_OK;
}

// Makes what the list wrote visible to mapped memory once its submission is done, and to what an application
// does next.
void vkd__sync_end(vkd_device *dev, struct vkd__sync *sync, VkCommandBuffer cb, const struct vkd_edges *edges)
{
    VkPipelineStageFlags after = VK_PIPELINE_STAGE_HOST_BIT;
    VkAccessFlags access = VK_ACCESS_HOST_READ_BIT;
    if (sync)
        sync->count = 0;
    if (edges) {
        after |= edges->after_stages ? edges->after_stages : VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
        access |= edges->after_stages ? edges->after_access : memory_access;
    }
    barrier(dev, cb, stages, write_access, after, access);
}

void vkd__sync_update(vkd_device *dev, VkCommandBuffer cb)
{
    barrier(dev, cb, stages, write_access, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT);
}
