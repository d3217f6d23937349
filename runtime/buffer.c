// buffer.c -- buffers, their texel views, and copies between host and device.
#include <stdlib.h>
#include <string.h>

#include "internal.h"

// Each slot is a half of the staging buffer: the host fills one while the device empties the other.
#define SLOT_SIZE ((uint64_t) 4 << 20)

vkd_result vkd_buffer_create(vkd_device *dev, uint64_t size, enum vkd_memory memory, vkd_buffer **out)
{
    vkd_result result;
    vkd_buffer *buf = NULL;
    VkMemoryRequirements req;
    TRY(vkd__device_check(dev));
    if (!size || memory < VKD_MEMORY_DEVICE || memory > VKD_MEMORY_READBACK)
        return vkd__fail(dev, VKD_INVALID, "vkd_buffer_create: size %llu, memory kind %d: the size must be above 0, "
                         "the kind one of enum vkd_memory", (unsigned long long) size, (int) memory);
    vkd__queue_collect(dev);
    uint64_t limit = dev->caps.allocation_max < dev->facts.buffer_size_max ? dev->caps.allocation_max
                                                                           : dev->facts.buffer_size_max;
    if (size > limit)
        return vkd__fail(dev, VKD_NO_MEMORY, "%.64s: out of memory: a buffer of %.1f MiB was asked for, its largest is "
                         "%.1f MiB, vkdiv holds %.1f MiB: use a smaller batch, image or model", dev->caps.name,
                         (double) size / 1048576, (double) limit / 1048576,
                         (double) dev->stats.memory_used / 1048576);
    buf = calloc(1, sizeof(*buf));
    if (!buf)
        return vkd__fail(dev, VKD_NO_MEMORY, "vkd_buffer_create: out of host memory");
    buf->dev = dev;
    buf->size = size;
    buf->memory = memory;
    buf->usage = VKD_WRAP_USAGE;
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = buf->usage,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    VK(dev, dev->vk.vkCreateBuffer(dev->handle, &info, dev->host_memory, &buf->handle));
    dev->vk.vkGetBufferMemoryRequirements(dev->handle, buf->handle, &req);
    TRY(vkd__memory_take(dev, &req, memory, &buf->allocation));
    VK(dev, dev->vk.vkBindBufferMemory(dev->handle, buf->handle, buf->allocation.block->handle, buf->allocation.ofs));
    if (memory != VKD_MEMORY_DEVICE)
        buf->data = buf->allocation.block->data + buf->allocation.ofs;
    dev->stats.buffers++;
    dev->live_buffers++;
    *out = buf;
    return VKD_OK;

fail:
    if (buf) {
        dev->live_buffers++;
        vkd__buffer_free(dev, buf);
    }
    return result;
}

static vkd_result check_wrap(vkd_device *dev, const struct vkd_wrap_params *p)
{
    unsigned long long ofs = p->ofs, size = p->size;
    const struct vkd_caps *caps = &dev->caps;
    uint32_t align = caps->cpu && caps->texel_align > caps->storage_align ? caps->texel_align : caps->storage_align;
    if (!p->buffer)
        return vkd__fail(dev, VKD_INVALID, "vkd_buffer_wrap: the VkBuffer is VK_NULL_HANDLE");
    if (!(p->usage & VK_BUFFER_USAGE_STORAGE_BUFFER_BIT))
        return vkd__fail(dev, VKD_INVALID, "vkd_buffer_wrap: the buffer was created without "
                         "VK_BUFFER_USAGE_STORAGE_BUFFER_BIT: create it with VKD_WRAP_USAGE");
    if (ofs % align)
        return vkd__fail(dev, VKD_INVALID, "vkd_buffer_wrap: offset %llu is not a multiple of %u, which this device "
                         "needs", ofs, align);
    if (!size || size % 4)
        return vkd__fail(dev, VKD_INVALID, "vkd_buffer_wrap: size %llu is not a multiple of 4 above 0", size);
    // A VkBuffer does not tell its size; the memory it needs is a bound.
    VkMemoryRequirements req;
    dev->vk.vkGetBufferMemoryRequirements(dev->handle, p->buffer, &req);
    if (ofs > req.size || size > req.size - ofs)
        return vkd__fail(dev, VKD_INVALID, "vkd_buffer_wrap: offset %llu and size %llu go beyond the buffer, which "
                         "takes %llu bytes of memory", ofs, size, (unsigned long long) req.size);
    return VKD_OK;
}

vkd_result vkd_buffer_wrap(vkd_device *dev, const struct vkd_wrap_params *p, vkd_buffer **out)
{
    vkd_result result;
    TRY(vkd__device_check(dev));
    TRY(check_wrap(dev, p));
    vkd_buffer *buf = calloc(1, sizeof(*buf));
    if (!buf)
        return vkd__fail(dev, VKD_NO_MEMORY, "vkd_buffer_wrap: out of host memory");
    buf->dev = dev;
    buf->handle = p->buffer;
    buf->base = p->ofs;
    buf->size = p->size;
    buf->usage = p->usage;
    buf->wrapped = true;
    dev->live_buffers++;
    *out = buf;
    return VKD_OK;
fail:
    return result;
}

void vkd__buffer_free(vkd_device *dev, vkd_buffer *buf)
{
    for (uint32_t i = 0; i < buf->view_count; i++)
        dev->vk.vkDestroyBufferView(dev->handle, buf->views[i].handle, dev->host_memory);
    if (!buf->wrapped)
        dev->vk.vkDestroyBuffer(dev->handle, buf->handle, dev->host_memory);
    vkd__memory_give(dev, &buf->allocation);
    free(buf->views);
    free(buf);
    dev->live_buffers--;
}

void vkd_buffer_destroy(vkd_device *dev, vkd_buffer **p)
{
    vkd_buffer *buf = *p;
    *p = NULL;
    if (buf)
        vkd__queue_discard(dev, buf, NULL);
}

uint64_t vkd_buffer_size(const vkd_buffer *buf)
{
    return buf->size;
}

void *vkd_buffer_data(const vkd_buffer *buf)
{
    return buf->data;
}

vkd_result vkd__buffer_view(vkd_device *dev, vkd_buffer *buf, uint64_t ofs, uint64_t size, uint32_t texel_size,
                            VkBufferView *out)
{
    vkd_result result;
    VkBufferView view = VK_NULL_HANDLE;
    for (uint32_t i = 0; i < buf->view_count; i++) {
        if (buf->views[i].ofs == ofs && buf->views[i].size == size && buf->views[i].texel_size == texel_size) {
            *out = buf->views[i].handle;
            return VKD_OK;
        }
    }
    if (!vkd__reserve(&buf->views, &buf->view_capacity, buf->view_count + 1, sizeof(*buf->views)))
        return vkd__fail(dev, VKD_NO_MEMORY, "out of host memory");
    VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = buf->handle,
        .format = texel_size == 16 ? VK_FORMAT_R32G32B32A32_SFLOAT : VK_FORMAT_R32G32_UINT,
        .offset = ofs,
        .range = size,
    };
    VK(dev, dev->vk.vkCreateBufferView(dev->handle, &info, dev->host_memory, &view));
    buf->views[buf->view_count++] = (struct vkd__view) { ofs, size, texel_size, view };
    *out = view;
    return VKD_OK;
fail:
    return result;
}

// ---- Staging ----------------------------------------------------------------------------------

static vkd_result staging_begin(vkd_device *dev, enum vkd_memory kind)
{
    struct vkd__staging *s = &dev->staging;
    vkd_result result = VKD_OK;
    vkd_buffer **buffer = kind == VKD_MEMORY_UPLOAD ? &s->up : &s->down;
    if (!*buffer)
        TRY(vkd_buffer_create(dev, SLOT_SIZE * VKD_SLOT_COUNT, kind, buffer));
    for (uint32_t i = 0; i < VKD_SLOT_COUNT; i++) {
        if (!s->lists[i])
            TRY(vkd_commands_create(dev, &s->lists[i]));
    }
fail:
    return result;
}

void vkd__staging_finish(vkd_device *dev)
{
    struct vkd__staging *s = &dev->staging;
    vkd_buffer_destroy(dev, &s->up);
    vkd_buffer_destroy(dev, &s->down);
    for (uint32_t i = 0; i < VKD_SLOT_COUNT; i++)
        vkd_commands_destroy(dev, &s->lists[i]);
}

static vkd_result slot_submit(vkd_device *dev, uint32_t slot, struct vkd_range dst, struct vkd_range src)
{
    struct vkd__staging *s = &dev->staging;
    vkd_result result = vkd_commands_begin(s->lists[slot]);
    if (result != VKD_OK)
        return result;
    vkd_commands_copy(s->lists[slot], dst, src);
    result = vkd_commands_end(s->lists[slot]);
    return result == VKD_OK ? vkd_submit(dev, &s->lists[slot], 1, &s->tickets[slot]) : result;
}

static vkd_result check_copy(vkd_device *dev, const char *call, const vkd_buffer *buf, uint64_t ofs, const void *data,
                             uint64_t size)
{
    vkd_result result = vkd__device_check(dev);
    if (result != VKD_OK)
        return result;
    if (!buf || buf->dev != dev)
        return vkd__fail(dev, VKD_INVALID, "%s: the buffer is %s", call, buf ? "another device's" : "NULL");
    if (!data && size)
        return vkd__fail(dev, VKD_INVALID, "%s: the data are NULL", call);
    if (ofs % 4 || size % 4 || ofs > buf->size || size > buf->size - ofs)
        return vkd__fail(dev, VKD_INVALID, "%s: offset %llu and size %llu must be multiples of 4 and lie inside the "
                         "buffer of %llu bytes", call, (unsigned long long) ofs, (unsigned long long) size,
                         (unsigned long long) buf->size);
    return VKD_OK;
}

vkd_result vkd_buffer_write(vkd_device *dev, vkd_buffer *buf, uint64_t ofs, const void *data, uint64_t size)
{
    struct vkd__staging *s = &dev->staging;
    const uint8_t *bytes = data;
    vkd_result result;
    TRY(check_copy(dev, "vkd_buffer_write", buf, ofs, data, size));
    if (buf->data) {
        TRY(vkd_wait(dev, dev->queue.submitted, UINT64_MAX, NULL));
        memcpy((uint8_t *) buf->data + ofs, data, size);
        return VKD_OK;
    }
    TRY(staging_begin(dev, VKD_MEMORY_UPLOAD));
    uint32_t slot = 0;
    for (uint64_t at = 0; at < size; at += SLOT_SIZE, slot = (slot + 1) % VKD_SLOT_COUNT) {
        uint64_t n = size - at < SLOT_SIZE ? size - at : SLOT_SIZE;
        TRY(vkd_wait(dev, s->tickets[slot], UINT64_MAX, NULL));
        memcpy((uint8_t *) s->up->data + slot * SLOT_SIZE, bytes + at, n);
        TRY(slot_submit(dev, slot, (struct vkd_range) { buf, ofs + at, n },
                        (struct vkd_range) { s->up, slot * SLOT_SIZE, n }));
    }
    return vkd_wait(dev, dev->queue.submitted, UINT64_MAX, NULL);
fail:
    return result;
}

vkd_result vkd_buffer_read(vkd_device *dev, vkd_buffer *buf, uint64_t ofs, void *data, uint64_t size)
{
    struct vkd__staging *s = &dev->staging;
    uint8_t *bytes = data;
    vkd_result result;
    TRY(check_copy(dev, "vkd_buffer_read", buf, ofs, data, size));
    if (buf->data) {
        TRY(vkd_wait(dev, dev->queue.submitted, UINT64_MAX, NULL));
        memcpy(data, (const uint8_t *) buf->data + ofs, size);
        return VKD_OK;
    }
    TRY(staging_begin(dev, VKD_MEMORY_READBACK));
    // The copy of chunk i + 1 runs while the host takes chunk i.
    uint64_t sent = 0;
    for (uint64_t at = 0; at < size; at += SLOT_SIZE) {
        for (; sent < size && sent < at + SLOT_SIZE * VKD_SLOT_COUNT; sent += SLOT_SIZE) {
            uint32_t slot = (uint32_t) (sent / SLOT_SIZE % VKD_SLOT_COUNT);
            uint64_t n = size - sent < SLOT_SIZE ? size - sent : SLOT_SIZE;
            TRY(vkd_wait(dev, s->tickets[slot], UINT64_MAX, NULL));
            TRY(slot_submit(dev, slot, (struct vkd_range) { s->down, slot * SLOT_SIZE, n },
                            (struct vkd_range) { buf, ofs + sent, n }));
        }
        uint32_t slot = (uint32_t) (at / SLOT_SIZE % VKD_SLOT_COUNT);
        TRY(vkd_wait(dev, s->tickets[slot], UINT64_MAX, NULL));
        memcpy(bytes + at, (const uint8_t *) s->down->data + slot * SLOT_SIZE,
               size - at < SLOT_SIZE ? size - at : SLOT_SIZE);
    }
    return VKD_OK;
fail:
    return result;
}
