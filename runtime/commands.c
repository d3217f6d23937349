// commands.c -- command lists: recorded once, submitted many times.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static vkd_result create(vkd_device *dev, const struct vkd_edges *edges, vkd_commands **out)
{
    vkd_result result = vkd__device_check(dev);
    if (result != VKD_OK)
        return result;
    vkd_commands *cmds = calloc(1, sizeof(*cmds));
    if (!cmds)
        return vkd__fail(dev, VKD_NO_MEMORY, "vkd_commands_create: out of host memory");
    cmds->dev = dev;
    cmds->embedded = edges;
    if (edges)
        cmds->edges = *edges;
    dev->live_lists++;
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = dev->queue.family,
    };
    VK(dev, dev->vk.vkCreateCommandPool(dev->handle, &pool, dev->host_memory, &cmds->pool));
    VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = cmds->pool,
        .level = edges ? VK_COMMAND_BUFFER_LEVEL_SECONDARY : VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VK(dev, dev->vk.vkAllocateCommandBuffers(dev->handle, &info, &cmds->handle));
    *out = cmds;
    return VKD_OK;

fail:
    vkd__commands_free(dev, cmds);
    return result;
}

vkd_result vkd_commands_create(vkd_device *dev, vkd_commands **out)
{
    return create(dev, NULL, out);
}

vkd_result vkd_commands_create_embedded(vkd_device *dev, const struct vkd_edges *edges, vkd_commands **out)
{
    const struct vkd_edges any = { 0 };
    return create(dev, edges ? edges : &any, out);
}

void vkd__commands_free(vkd_device *dev, vkd_commands *cmds)
{
    vkd__sets_free(dev, cmds);
    vkd__pace_free(dev, cmds);
    dev->vk.vkDestroyQueryPool(dev->handle, cmds->queries, dev->host_memory);
    dev->vk.vkDestroyCommandPool(dev->handle, cmds->pool, dev->host_memory);      // frees the command buffer
    free(cmds->sync.uses);
    free(cmds);
    dev->live_lists--;
}

void vkd_commands_destroy(vkd_device *dev, vkd_commands **p)
{
    vkd_commands *cmds = *p;
    *p = NULL;
    if (cmds)
        vkd__queue_discard(dev, NULL, cmds);
}

vkd_result vkd_commands_begin(vkd_commands *cmds)
{
    vkd_device *dev = cmds->dev;
    vkd_result result;
    TRY(vkd__device_check(dev));
    vkd__queue_collect(dev);
    if (cmds->ticket > dev->queue.done)
        return vkd__fail(dev, VKD_INVALID, "vkd_commands_begin: a submission of the list is still running: wait for "
                         "ticket %llu first", (unsigned long long) cmds->ticket);
    VK(dev, dev->vk.vkResetCommandPool(dev->handle, cmds->pool, 0));
    vkd__sets_reset(cmds);
    VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT,
        .pInheritanceInfo = &(VkCommandBufferInheritanceInfo) {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_INHERITANCE_INFO,
        },
    };
    cmds->state = VKD__COMMANDS_EMPTY;
    VK(dev, dev->vk.vkBeginCommandBuffer(cmds->handle, &info));
    cmds->state = VKD__COMMANDS_RECORDING;
    cmds->result = VKD_OK;
    cmds->ticket = 0;
    cmds->bound = NULL;
    cmds->bound_set = VK_NULL_HANDLE;
    cmds->dispatches = 0;
    cmds->stamped = false;
    memset(cmds->stamps, 0, sizeof(cmds->stamps));
    vkd__sync_begin(dev, &cmds->sync, cmds->handle, cmds->embedded ? &cmds->edges : NULL);
    TRY(vkd__pace_begin(dev, cmds));
    return VKD_OK;
fail:
    return result;
}

static bool recording(vkd_commands *cmds, const char *call)
{
    if (cmds->state == VKD__COMMANDS_RECORDING)
        return cmds->result == VKD_OK;
    cmds->result = vkd__fail(cmds->dev, VKD_INVALID, "%s: the list is not recording: call vkd_commands_begin first",
                             call);
    return false;
}

// Fills in "to the end" and checks that the range lies inside its buffer.
static vkd_result resolve(vkd_device *dev, const char *who, uint32_t index, struct vkd_range range,
                          struct vkd__span *out)
{
    if (!range.buffer || range.buffer->dev != dev)
        return vkd__fail(dev, VKD_INVALID, "%s: range %u has no buffer of this device", who, index);
    uint64_t all = range.buffer->size;
    if (range.ofs >= all || range.size > all - range.ofs)
        return vkd__fail(dev, VKD_INVALID, "%s: range %u (offset %llu, size %llu) is outside its buffer of %llu bytes",
                         who, index, (unsigned long long) range.ofs, (unsigned long long) range.size,
                         (unsigned long long) all);
    uint64_t ofs = range.buffer->base + range.ofs;
    *out = (struct vkd__span) { range.buffer, ofs, range.size ? range.size : all - range.ofs };
    return VKD_OK;
}

// What the application created a wrapped buffer for.
static vkd_result check_usage(vkd_device *dev, const char *who, const struct vkd__span *span, VkBufferUsageFlags usage,
                              const char *name)
{
    if ((span->buffer->usage & usage) == usage)
        return VKD_OK;
    return vkd__fail(dev, VKD_INVALID, "%s: the application's buffer was created without %s: add it to its usage "
                     "(VKD_WRAP_USAGE has all that vkdiv ever needs)", who, name);
}

static vkd_result check_binding(vkd_device *dev, const vkd_kernel *kernel, uint32_t i, const struct vkd__span *span)
{
    const struct vkd_caps *caps = &dev->caps;
    const char *name = kernel->name;
    unsigned long long ofs = span->ofs, size = span->size;
    if (kernel->module.bindings[i].kind == VKD__BINDING_STORAGE) {
        if (ofs % caps->storage_align)
            return vkd__fail(dev, VKD_INVALID, "%s: binding %u: offset %llu is not a multiple of %u (storage_align)",
                             name, i, ofs, caps->storage_align);
        if (size > caps->storage_range_max)
            return vkd__fail(dev, VKD_UNSUPPORTED, "%s: binding %u: %llu bytes, the device binds at most %llu "
                             "(storage_range_max)", name, i, size, (unsigned long long) caps->storage_range_max);
    } else if (kernel->module.bindings[i].kind == VKD__BINDING_TEXEL) {
        uint32_t texel = kernel->module.bindings[i].texel_size;
        if (size % texel)
            return vkd__fail(dev, VKD_INVALID, "%s: binding %u: %llu bytes are not whole texels of %u", name, i, size, texel);
        if (ofs % caps->texel_align || size / texel > caps->texel_count_max)
            return vkd__fail(dev, VKD_UNSUPPORTED, "%s: binding %u: a texel view at offset %llu of %llu texels, the "
                             "device needs offsets in multiples of %u (texel_align) and has at most %u texels "
                             "(texel_count_max)", name, i, ofs, size / texel, caps->texel_align, caps->texel_count_max);
        return check_usage(dev, name, span, VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT,
                           "VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT");
    }
    return VKD_OK;
}

static vkd_result check_dispatch(vkd_commands *cmds, const vkd_kernel *kernel, const struct vkd_range *ranges,
                                 uint32_t range_count, uint32_t push_size, const uint32_t groups[3],
                                 struct vkd__span *spans)
{
    vkd_device *dev = cmds->dev;
    const struct vkd__module *m = &kernel->module;
    if (range_count != m->binding_count)
        return vkd__fail(dev, VKD_INVALID, "%s: %u ranges given, its shader has %u bindings", kernel->name, range_count,
                         m->binding_count);
    if (push_size != m->push_size)
        return vkd__fail(dev, VKD_INVALID, "%s: %u bytes of push constants given, its shader takes %u", kernel->name,
                         push_size, m->push_size);
    for (uint32_t i = 0; i < 3; i++) {
        if (groups[i] > dev->caps.group_count_max[i])
            return vkd__fail(dev, VKD_INVALID, "%s: %u workgroups in dimension %u, the device allows %u", kernel->name,
                             groups[i], i, dev->caps.group_count_max[i]);
    }
    for (uint32_t i = 0; i < range_count; i++) {
        spans[i] = (struct vkd__span) { 0 };
        if (m->bindings[i].kind == VKD__BINDING_NONE)
            continue;           // the shader does not use it
        vkd_result result = resolve(dev, kernel->name, i, ranges[i], &spans[i]);
        if (result == VKD_OK)
            result = check_binding(dev, kernel, i, &spans[i]);
        if (result != VKD_OK)
            return result;
    }
    return VKD_OK;
}

void vkd_commands_dispatch(vkd_commands *cmds, const vkd_kernel *kernel,
                           const struct vkd_range *ranges, uint32_t range_count,
                           const void *push, uint32_t push_size, const uint32_t groups[3])
{
    vkd_device *dev = cmds->dev;
    struct vkd__span spans[VKD_BINDING_MAX];
    struct vkd__use uses[VKD_BINDING_MAX];
    VkDescriptorSet set = VK_NULL_HANDLE;
    vkd_result result;
    if (!recording(cmds, "vkd_commands_dispatch"))
        return;
    TRY(check_dispatch(cmds, kernel, ranges, range_count, push_size, groups, spans));
    if (!groups[0] || !groups[1] || !groups[2])
        return;
    TRY(vkd__set_get(cmds, kernel, spans, &set));
    for (uint32_t i = 0; i < range_count; i++) {
        const struct vkd__binding *b = &kernel->module.bindings[i];
        uint64_t end = spans[i].ofs + spans[i].size;
        uses[i] = (struct vkd__use) { spans[i].buffer ? spans[i].buffer->handle : VK_NULL_HANDLE, spans[i].ofs, end,
                                      b->reads, b->writes };
    }
    TRY(vkd__sync_use(dev, &cmds->sync, cmds->handle, uses, range_count));
    if (kernel != cmds->bound)
        dev->vk.vkCmdBindPipeline(cmds->handle, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->pipeline);
    if (kernel != cmds->bound || set != cmds->bound_set)
        dev->vk.vkCmdBindDescriptorSets(cmds->handle, VK_PIPELINE_BIND_POINT_COMPUTE, kernel->layout, 0, 1, &set,
                                      0, NULL);
    cmds->bound = kernel;
    cmds->bound_set = set;
    if (push_size)
        dev->vk.vkCmdPushConstants(cmds->handle, kernel->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, push_size, push);
    dev->vk.vkCmdDispatch(cmds->handle, groups[0], groups[1], groups[2]);
    cmds->dispatches++;
    return;
fail:
    cmds->result = result;
}

void vkd_commands_copy(vkd_commands *cmds, struct vkd_range dst, struct vkd_range src)
{
    vkd_device *dev = cmds->dev;
    struct vkd__span to = { 0 }, from = { 0 };
    vkd_result result;
    if (!recording(cmds, "vkd_commands_copy"))
        return;
    TRY(resolve(dev, "vkd_commands_copy", 0, dst, &to));
    TRY(resolve(dev, "vkd_commands_copy", 1, src, &from));
    if (to.size != from.size) {
        result = vkd__fail(dev, VKD_INVALID, "vkd_commands_copy: %llu bytes into %llu: sizes must be equal",
                           (unsigned long long) from.size, (unsigned long long) to.size);
        goto fail;
    }
    if (to.buffer->handle == from.buffer->handle && to.ofs < from.ofs + from.size && from.ofs < to.ofs + to.size) {
        result = vkd__fail(dev, VKD_INVALID, "vkd_commands_copy: the two ranges overlap");
        goto fail;
    }
    TRY(check_usage(dev, "vkd_commands_copy", &to, VK_BUFFER_USAGE_TRANSFER_DST_BIT, "VK_BUFFER_USAGE_TRANSFER_DST_BIT"));
    TRY(check_usage(dev, "vkd_commands_copy", &from, VK_BUFFER_USAGE_TRANSFER_SRC_BIT, "VK_BUFFER_USAGE_TRANSFER_SRC_BIT"));
    struct vkd__use uses[2] = {
        { to.buffer->handle, to.ofs, to.ofs + to.size, false, true },
        { from.buffer->handle, from.ofs, from.ofs + from.size, true, false },
    };
    TRY(vkd__sync_use(dev, &cmds->sync, cmds->handle, uses, 2));
    VkBufferCopy region = { from.ofs, to.ofs, to.size };
    dev->vk.vkCmdCopyBuffer(cmds->handle, from.buffer->handle, to.buffer->handle, 1, &region);
    cmds->dispatches++;
    return;
fail:
    cmds->result = result;
}

void vkd_commands_fill(vkd_commands *cmds, struct vkd_range dst, uint32_t word)
{
    vkd_device *dev = cmds->dev;
    struct vkd__span to = { 0 };
    vkd_result result;
    if (!recording(cmds, "vkd_commands_fill"))
        return;
    TRY(resolve(dev, "vkd_commands_fill", 0, dst, &to));
    if (to.ofs % 4 || to.size % 4) {
        result = vkd__fail(dev, VKD_INVALID, "vkd_commands_fill: offset %llu and size %llu must be multiples of 4",
                           (unsigned long long) to.ofs, (unsigned long long) to.size);
        goto fail;
    }
    TRY(check_usage(dev, "vkd_commands_fill", &to, VK_BUFFER_USAGE_TRANSFER_DST_BIT, "VK_BUFFER_USAGE_TRANSFER_DST_BIT"));
    struct vkd__use use = { to.buffer->handle, to.ofs, to.ofs + to.size, false, true };
    TRY(vkd__sync_use(dev, &cmds->sync, cmds->handle, &use, 1));
    dev->vk.vkCmdFillBuffer(cmds->handle, to.buffer->handle, to.ofs, to.size, word);
    cmds->dispatches++;
    return;
fail:
    cmds->result = result;
}

vkd_result vkd_commands_end(vkd_commands *cmds)
{
    vkd_device *dev = cmds->dev;
    vkd_result result;
    if (cmds->state != VKD__COMMANDS_RECORDING)
        return vkd__fail(dev, VKD_INVALID, "vkd_commands_end: the list is not recording");
    cmds->state = VKD__COMMANDS_EMPTY;
    vkd__pace_end(dev, cmds);
    vkd__sync_end(dev, &cmds->sync, cmds->handle, cmds->embedded ? &cmds->edges : NULL);
    VK(dev, dev->vk.vkEndCommandBuffer(cmds->handle));
    if (cmds->result == VKD_OK)
        cmds->state = VKD__COMMANDS_READY;
    return cmds->result;
fail:
    return result;
}

// ---- In an application's command buffer -------------------------------------------------------

vkd_result vkd_commands_embed(vkd_device *dev, vkd_commands *const *lists, uint32_t count, VkCommandBuffer cb)
{
    enum { AT_ONCE = 32 };
    VkCommandBuffer handles[AT_ONCE];
    vkd_result result;
    TRY(vkd__device_check(dev));
    if (!cb)
        return vkd__fail(dev, VKD_INVALID, "vkd_commands_embed: the command buffer is NULL");
    for (uint32_t i = 0; i < count; i++) {
        if (!lists || !lists[i] || lists[i]->dev != dev || !lists[i]->embedded || lists[i]->state != VKD__COMMANDS_READY)
            return vkd__fail(dev, VKD_INVALID, "vkd_commands_embed: list %u is not one of vkd_commands_create_embedded "
                             "on this device that a successful vkd_commands_end finished", i);
    }
    for (uint32_t i = 0; i < count; i += AT_ONCE) {
        uint32_t n = 0;
        for (; n < AT_ONCE && i + n < count; n++)
            handles[n] = lists[i + n]->handle;
        dev->vk.vkCmdExecuteCommands(cb, n, handles);
    }
    return VKD_OK;
fail:
    return result;
}

vkd_result vkd_range_embed(vkd_device *dev, struct vkd_range range, const void *data, VkCommandBuffer cb)
{
    const char *who = "vkd_range_embed";
    struct vkd__span to = { 0 };
    vkd_result result;
    TRY(vkd__device_check(dev));
    if (!cb || !data)
        return vkd__fail(dev, VKD_INVALID, "%s: the %s NULL", who, cb ? "data are" : "command buffer is");
    TRY(resolve(dev, who, 0, range, &to));
    if (to.ofs % 4 || to.size % 4 || to.size > 65536)
        return vkd__fail(dev, VKD_INVALID, "%s: offset %llu and size %llu must be multiples of 4, the size 65536 at most",
                         who, (unsigned long long) to.ofs, (unsigned long long) to.size);
    TRY(check_usage(dev, who, &to, VK_BUFFER_USAGE_TRANSFER_DST_BIT, "VK_BUFFER_USAGE_TRANSFER_DST_BIT"));
    vkd__sync_update(dev, cb);
    dev->vk.vkCmdUpdateBuffer(cb, to.buffer->handle, to.ofs, to.size, data);
    return VKD_OK;
fail:
    return result;
}

// ---- Timestamps -------------------------------------------------------------------------------

void vkd_commands_stamp(vkd_commands *cmds, uint32_t index)
{
    vkd_device *dev = cmds->dev;
    vkd_result result;
    if (!recording(cmds, "vkd_commands_stamp"))
        return;
    if (index >= VKD_STAMP_MAX || cmds->stamps[index / 32] >> index % 32 & 1) {
        result = vkd__fail(dev, VKD_INVALID, "vkd_commands_stamp: slot %u is used twice or not below %d", index,
                           VKD_STAMP_MAX);
        goto fail;
    }
    cmds->stamps[index / 32] |= 1u << index % 32;
    if (!dev->caps.timestamp_bits)
        return;
    if (!cmds->queries) {
        VkQueryPoolCreateInfo info = {
            .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
            .queryType = VK_QUERY_TYPE_TIMESTAMP,
            .queryCount = VKD_STAMP_MAX,
        };
        VK(dev, dev->vk.vkCreateQueryPool(dev->handle, &info, dev->host_memory, &cmds->queries));
    }
    if (!cmds->stamped)
        dev->vk.vkCmdResetQueryPool(cmds->handle, cmds->queries, 0, VKD_STAMP_MAX);
    cmds->stamped = true;
    dev->vk.vkCmdWriteTimestamp(cmds->handle, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, cmds->queries, index);
    return;
fail:
    cmds->result = result;
}

vkd_result vkd_commands_times(vkd_commands *cmds, double *seconds, uint32_t count)
{
    vkd_device *dev = cmds->dev;
    vkd_result result;
    uint64_t ticks[VKD_STAMP_MAX];
    TRY(vkd__device_check(dev));
    for (uint32_t i = 0; i < count; i++) {
        if (i >= VKD_STAMP_MAX || !(cmds->stamps[i / 32] >> i % 32 & 1) || !cmds->ticket)
            return vkd__fail(dev, VKD_INVALID, "vkd_commands_times: slot %u was not stamped, or the list never "
                             "submitted", i);
    }
    TRY(vkd_wait(dev, cmds->ticket, UINT64_MAX, NULL));
    for (uint32_t i = 0; i < count; i++)
        seconds[i] = 0;
    if (!cmds->stamped || !count)
        return VKD_OK;
    VkResult vk = dev->vk.vkGetQueryPoolResults(dev->handle, cmds->queries, 0, count, count * sizeof(*ticks), ticks,
                                              sizeof(*ticks), VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
    VK_AS(dev, vk, GetQueryPoolResults);
    uint32_t bits = dev->caps.timestamp_bits;
    uint64_t mask = bits >= 64 ? UINT64_MAX : ((uint64_t) 1 << bits) - 1;
    for (uint32_t i = 0; i < count; i++)
        seconds[i] = (double) ((ticks[i] - ticks[0]) & mask) * dev->caps.timestamp_ns * 1e-9;
    return VKD_OK;
fail:
    return result;
}
