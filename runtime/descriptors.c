// descriptors.c -- the descriptor sets of one command list: one per kernel and tuple of ranges.
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "internal.h"

// Sets and descriptors of one pool.
enum { POOL_SETS = 128, POOL_STORAGE = 640, POOL_TEXEL = 256 };

struct vkd__set_entry {
    uint64_t hash;
    const vkd_kernel *kernel;       // NULL: free entry
    struct vkd__span spans[VKD_BINDING_MAX];
    VkDescriptorSet handle;
};

static vkd_result pool_create(vkd_commands *cmds)
{
    vkd_device *dev = cmds->dev;
    vkd_result result = VKD_OK;
    if (!vkd__reserve(&cmds->pools, &cmds->pool_capacity, cmds->pool_count + 1, sizeof(*cmds->pools)))
        return vkd__fail(dev, VKD_NO_MEMORY, "out of host memory");
    VkDescriptorPoolSize sizes[] = {
        { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, POOL_STORAGE },
        { VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, POOL_TEXEL },
    };
    VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = POOL_SETS,
        .poolSizeCount = 2,
        .pPoolSizes = sizes,
    };
    VkResult vk = vkd__fault_refuses(dev->faults.pool, &dev->met.pool) ? VK_ERROR_OUT_OF_DEVICE_MEMORY
        : dev->vk.vkCreateDescriptorPool(dev->handle, &info, dev->host_memory, &cmds->pools[cmds->pool_count]);
    VK_AS(dev, vk, CreateDescriptorPool);
    cmds->pool_count++;
fail:
    return result;
}

static vkd_result allocate(vkd_commands *cmds, const vkd_kernel *kernel, VkDescriptorSet *out)
{
    vkd_device *dev = cmds->dev;
    vkd_result result;
    for (;;) {
        bool fresh = cmds->pool_now == cmds->pool_count;
        if (fresh)
            TRY(pool_create(cmds));
        VkDescriptorSetAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
            .descriptorPool = cmds->pools[cmds->pool_now],
            .descriptorSetCount = 1,
            .pSetLayouts = &kernel->set_layout,
        };
        VkResult vk = dev->vk.vkAllocateDescriptorSets(dev->handle, &info, out);
        bool full = vk == VK_ERROR_OUT_OF_POOL_MEMORY || vk == VK_ERROR_FRAGMENTED_POOL;
        if (full && !fresh) {
            cmds->pool_now++;
            continue;
        }
        VK_AS(dev, vk, AllocateDescriptorSets);
        dev->stats.descriptor_sets++;
        return VKD_OK;
    }
fail:
    return result;
}

static vkd_result write_set(vkd_commands *cmds, const vkd_kernel *kernel, const struct vkd__span *spans,
                            VkDescriptorSet set)
{
    vkd_device *dev = cmds->dev;
    VkWriteDescriptorSet writes[VKD_BINDING_MAX];
    VkDescriptorBufferInfo buffers[VKD_BINDING_MAX];
    VkBufferView views[VKD_BINDING_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < kernel->module.binding_count; i++) {
        uint8_t kind = kernel->module.bindings[i].kind;
        if (kind == VKD__BINDING_NONE)
            continue;
        writes[count] = (VkWriteDescriptorSet) {
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
            .dstBinding = i,
            .descriptorCount = 1,
        };
        if (kind == VKD__BINDING_TEXEL) {
            vkd_result result = vkd__buffer_view(dev, spans[i].buffer, spans[i].ofs, spans[i].size,
                                                 kernel->module.bindings[i].texel_size, &views[i]);
            if (result != VKD_OK)
                return result;
            writes[count].descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
            writes[count].pTexelBufferView = &views[i];
        } else {
            buffers[i] = (VkDescriptorBufferInfo) { spans[i].buffer->handle, spans[i].ofs, spans[i].size };
            writes[count].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
            writes[count].pBufferInfo = &buffers[i];
        }
        count++;
    }
    if (count)
        dev->vk.vkUpdateDescriptorSets(dev->handle, count, writes, 0, NULL);
    return VKD_OK;
}

// Keeps the table at most half full.
static bool grow(vkd_commands *cmds)
{
    if (2 * (cmds->set_count + 1) <= cmds->set_capacity)
        return true;
    uint32_t capacity = cmds->set_capacity ? 2 * cmds->set_capacity : 64;
    struct vkd__set_entry *next = calloc(capacity, sizeof(*next));
    if (!next)
        return false;
    for (uint32_t i = 0; i < cmds->set_capacity; i++) {
        if (!cmds->sets[i].kernel)
            continue;
        uint32_t at = (uint32_t) cmds->sets[i].hash & (capacity - 1);
        while (next[at].kernel)
            at = (at + 1) & (capacity - 1);
        next[at] = cmds->sets[i];
    }
    free(cmds->sets);
    cmds->sets = next;
    cmds->set_capacity = capacity;
    return true;
}

vkd_result vkd__set_get(vkd_commands *cmds, const vkd_kernel *kernel, const struct vkd__span *spans,
                        VkDescriptorSet *out)
{
    size_t size = kernel->module.binding_count * sizeof(*spans);
    uint64_t hash = XXH64(spans, size, (uint64_t) (uintptr_t) kernel);
    if (!grow(cmds))
        return vkd__fail(cmds->dev, VKD_NO_MEMORY, "out of host memory");
    uint32_t at = (uint32_t) hash & (cmds->set_capacity - 1);
    for (; cmds->sets[at].kernel; at = (at + 1) & (cmds->set_capacity - 1)) {
        struct vkd__set_entry *e = &cmds->sets[at];
        if (e->hash == hash && e->kernel == kernel && !memcmp(e->spans, spans, size)) {
            *out = e->handle;
            return VKD_OK;
        }
    }
    VkDescriptorSet set = VK_NULL_HANDLE;
    vkd_result result = allocate(cmds, kernel, &set);
    if (result == VKD_OK)
        result = write_set(cmds, kernel, spans, set);
    if (result != VKD_OK)
        return result;
    struct vkd__set_entry *e = &cmds->sets[at];
    e->hash = hash;
    e->kernel = kernel;
    e->handle = set;
    memcpy(e->spans, spans, size);
    cmds->set_count++;
    *out = set;
    return VKD_OK;
}

void vkd__sets_reset(vkd_commands *cmds)
{
    for (uint32_t i = 0; i < cmds->pool_count; i++)
        cmds->dev->vk.vkResetDescriptorPool(cmds->dev->handle, cmds->pools[i], 0);
    cmds->pool_now = 0;
    cmds->set_count = 0;
    if (cmds->sets)
        memset(cmds->sets, 0, cmds->set_capacity * sizeof(*cmds->sets));
}

void vkd__sets_free(vkd_device *dev, vkd_commands *cmds)
{
    for (uint32_t i = 0; i < cmds->pool_count; i++)
        dev->vk.vkDestroyDescriptorPool(dev->handle, cmds->pools[i], dev->host_memory);
    free(cmds->pools);
    free(cmds->sets);
}
