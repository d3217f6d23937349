// memory.c -- suballocation from few large blocks: first fit in a sorted list of holes.
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MIB ((uint64_t) 1 << 20)
#define BLOCK_SIZE (64 * MIB)

static uint64_t align_up(uint64_t x, uint64_t align)
{
    return (x + align - 1) / align * align;
}

// ---- Choice of memory type --------------------------------------------------------------------

#define LOCAL    VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
#define MAPPABLE (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
#define VISIBLE  VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
#define CACHED   VK_MEMORY_PROPERTY_HOST_CACHED_BIT

struct wish { VkMemoryPropertyFlags with, without; };

// Best first. The small window of device memory that a host can map (256 MiB without resizable BAR)
// is taken only where nothing else fits; tensors never spill silently into host memory.
static const struct wish wishes[][4] = {
    [VKD_MEMORY_DEVICE]   = { { LOCAL, VISIBLE }, { LOCAL, 0 } },
    [VKD_MEMORY_UPLOAD]   = { { MAPPABLE, LOCAL | CACHED }, { MAPPABLE, LOCAL }, { MAPPABLE, 0 } },
    [VKD_MEMORY_READBACK] = { { MAPPABLE | CACHED, LOCAL }, { MAPPABLE | CACHED, 0 }, { MAPPABLE, LOCAL },
                              { MAPPABLE, 0 } },
};

// The memory types to try for `kind`, best first; returns their number.
static uint32_t list_types(const vkd_device *dev, uint32_t allowed, enum vkd_memory kind,
                           uint32_t types[VK_MAX_MEMORY_TYPES])
{
    const VkPhysicalDeviceMemoryProperties *m = &dev->facts.memory;
    const VkMemoryPropertyFlags usual = LOCAL | MAPPABLE | CACHED;
    uint32_t count = 0;
    for (uint32_t w = 0; w < 4 && wishes[kind][w].with; w++) {
        uint32_t first = count;
        for (uint32_t t = 0; t < m->memoryTypeCount; t++) {
            VkMemoryPropertyFlags flags = m->memoryTypes[t].propertyFlags;
            // Protected, lazily allocated or device-coherent memory is for other uses.
            if (!(allowed >> t & 1) || (flags & ~usual) || (flags & wishes[kind][w].with) != wishes[kind][w].with
                || (flags & wishes[kind][w].without))
                continue;
            bool seen = false;
            for (uint32_t i = 0; i < count; i++)
                seen = seen || types[i] == t;
            if (!seen)
                types[count++] = t;
        }
        // Among equals the larger heap goes first (insertion sort, stable).
        for (uint32_t i = first + 1; i < count; i++) {
            for (uint32_t j = i; j > first; j--) {
                uint32_t a = m->memoryTypes[types[j - 1]].heapIndex, b = m->memoryTypes[types[j]].heapIndex;
                if (m->memoryHeaps[b].size <= m->memoryHeaps[a].size)
                    break;
                uint32_t t = types[j];
                types[j] = types[j - 1];
                types[j - 1] = t;
            }
        }
    }
    return count;
}

// ---- Blocks -----------------------------------------------------------------------------------

static VkResult allocate(vkd_device *dev, const VkMemoryAllocateInfo *info, VkDeviceMemory *out)
{
    if (dev->source.allocate)
        return dev->source.allocate(dev->source.user, info, out);
    return dev->vk.vkAllocateMemory(dev->handle, info, dev->host_memory, out);
}

static void release(vkd_device *dev, struct vkd__block *b)
{
    if (!dev->source.release) {
        dev->vk.vkFreeMemory(dev->handle, b->handle, dev->host_memory);     // unmaps too
        return;
    }
    if (b->data)
        dev->vk.vkUnmapMemory(dev->handle, b->handle);
    dev->source.release(dev->source.user, b->handle, b->size);
}

static void block_free(vkd_device *dev, struct vkd__block *b)
{
    if (b->handle) {
        release(dev, b);
        dev->stats.memory_used -= b->size;
        dev->memory.heap_held[dev->facts.memory.memoryTypes[b->type].heapIndex] -= b->size;
    }
    free(b->holes);
    free(b);
}

// A block of `size` bytes of memory type `type`. An error is the driver's refusal, not logged: the
// caller may have another way.
static VkResult block_create(vkd_device *dev, uint32_t type, uint64_t size, bool own, struct vkd__block **out)
{
    struct vkd__memory *m = &dev->memory;
    uint32_t heap = dev->facts.memory.memoryTypes[type].heapIndex;
    if (size > dev->caps.allocation_max
        || size > vkd__caps_heap_free(dev->inst, dev->physical, &dev->facts, heap, m->heap_held[heap])
        || m->count >= dev->facts.allocation_count_max)
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    struct vkd__block *b = calloc(1, sizeof(*b));
    if (!b)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    b->type = type;
    b->own = own;
    VkResult vk = VK_ERROR_OUT_OF_HOST_MEMORY;
    if (!vkd__reserve(&b->holes, &b->hole_capacity, 1, sizeof(*b->holes))
        || !vkd__reserve(&m->blocks, &m->capacity, m->count + 1, sizeof(*m->blocks)))
        goto fail;
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = size,
        .memoryTypeIndex = type,
    };
    vk = allocate(dev, &info, &b->handle);
    if (vk < 0) {
        b->handle = VK_NULL_HANDLE;
        goto fail;
    }
    b->size = size;
    dev->stats.memory_allocations++;
    dev->stats.memory_used += size;
    m->heap_held[heap] += size;
    if ((dev->facts.memory.memoryTypes[type].propertyFlags & MAPPABLE) == MAPPABLE) {
        void *data = NULL;
        vk = vkd__fault_refuses(dev->faults.map, &dev->met.map) ? VK_ERROR_MEMORY_MAP_FAILED
           : dev->vk.vkMapMemory(dev->handle, b->handle, 0, VK_WHOLE_SIZE, 0, &data);
        if (vk < 0)
            goto fail;
        b->data = data;
    }
    b->holes[b->hole_count++] = (struct vkd__hole) { 0, size };
    m->blocks[m->count++] = b;
    *out = b;
    return VK_SUCCESS;

fail:
    block_free(dev, b);
    return vk;
}

// Cuts `size` bytes out of the first hole that fits.
static bool block_take(struct vkd__block *b, uint64_t size, uint64_t align, struct vkd__allocation *out)
{
    for (uint32_t i = 0; i < b->hole_count; i++) {
        struct vkd__hole *h = &b->holes[i];
        uint64_t ofs = align_up(h->ofs, align), end = h->ofs + h->size;
        if (ofs > end || end - ofs < size)
            continue;
        uint64_t before = ofs - h->ofs, after = end - ofs - size;
        if (before && after) {
            if (!vkd__reserve(&b->holes, &b->hole_capacity, b->hole_count + 1, sizeof(*b->holes)))
                return false;
            h = &b->holes[i];
            memmove(h + 1, h, (b->hole_count - i) * sizeof(*h));
            b->hole_count++;
            h[0].size = before;
            h[1] = (struct vkd__hole) { ofs + size, after };
        } else if (before) {
            h->size = before;
        } else if (after) {
            *h = (struct vkd__hole) { ofs + size, after };
        } else {
            b->hole_count--;
            memmove(h, h + 1, (b->hole_count - i) * sizeof(*h));
        }
        *out = (struct vkd__allocation) { b, ofs, size };
        return true;
    }
    return false;
}

static VkResult take_from_type(vkd_device *dev, uint32_t type, uint64_t size, uint64_t align,
                               struct vkd__allocation *out)
{
    struct vkd__memory *m = &dev->memory;
    struct vkd__block *b = NULL;
    uint64_t heap = dev->facts.memory.memoryHeaps[dev->facts.memory.memoryTypes[type].heapIndex].size;
    uint64_t usual = heap >= 16 * BLOCK_SIZE ? BLOCK_SIZE : align_up(heap / 16, MIB);
    VkResult vk = VK_SUCCESS;
    bool own = size > usual / 2;
    if (own && (vk = block_create(dev, type, size, true, &b)) >= 0)
        return block_take(b, size, align, out) ? VK_SUCCESS : VK_ERROR_OUT_OF_HOST_MEMORY;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->blocks[i]->type == type && !m->blocks[i]->own && block_take(m->blocks[i], size, align, out))
            return VK_SUCCESS;
    }
    if (own)
        return vk;
    // Near the limit a smaller block may still be had.
    for (uint64_t want = usual; ; want /= 2) {
        vk = block_create(dev, type, want > size ? want : size, false, &b);
        if (vk >= 0)
            return block_take(b, size, align, out) ? VK_SUCCESS : VK_ERROR_OUT_OF_HOST_MEMORY;
        if (want <= size || vk == VK_ERROR_DEVICE_LOST)
            return vk;
    }
}

static VkResult take_from_any(vkd_device *dev, const uint32_t *types, uint32_t count, uint64_t size, uint64_t align,
                              struct vkd__allocation *out)
{
    VkResult vk = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        vk = take_from_type(dev, types[i], size, align, out);
        if (vk >= 0 || vk == VK_ERROR_DEVICE_LOST)
            break;
    }
    return vk;
}

vkd_result vkd__memory_take(vkd_device *dev, const VkMemoryRequirements *req, enum vkd_memory kind,
                            struct vkd__allocation *out)
{
    vkd_result result;
    uint32_t types[VK_MAX_MEMORY_TYPES];
    uint32_t count = list_types(dev, req->memoryTypeBits, kind, types);
    if (!count)
        return vkd__fail(dev, VKD_UNSUPPORTED, "%.64s has no memory type for this kind of buffer", dev->caps.name);
    uint64_t align = req->alignment > 256 ? req->alignment : 256;
    uint64_t size = align_up(req->size, 256);
    bool refused = vkd__fault_refuses(dev->faults.memory, &dev->met.memory);
    VkResult vk = refused ? VK_ERROR_OUT_OF_DEVICE_MEMORY : take_from_any(dev, types, count, size, align, out);
    if (vk < 0 && dev->queue.garbage_count && !refused) {
        TRY(vkd_wait(dev, dev->queue.submitted, UINT64_MAX, NULL));     // frees what was discarded
        vk = take_from_any(dev, types, count, size, align, out);
    }
    if (vk >= 0)
        return VKD_OK;
    if (vk == VK_ERROR_DEVICE_LOST)
        VK_AS(dev, vk, AllocateMemory);
    uint32_t heap = dev->facts.memory.memoryTypes[types[0]].heapIndex;
    uint64_t left = vkd__caps_heap_free(dev->inst, dev->physical, &dev->facts, heap, dev->memory.heap_held[heap]);
    if (dev->memory.count >= dev->facts.allocation_count_max)
        return vkd__fail(dev, VKD_NO_MEMORY, "%.64s: out of memory: asked for %.1f MiB, vkdiv holds %.1f MiB in %u blocks, "
                         "and its driver allows no more of them: use a smaller batch, image or model", dev->caps.name,
                         (double) req->size / MIB, (double) dev->stats.memory_used / MIB, dev->memory.count);
    result = vkd__fail(dev, VKD_NO_MEMORY, "%.64s: out of memory: asked for %.1f MiB, vkdiv holds %.1f MiB, %.1f MiB "
                       "of the heap's %.1f MiB are free, %.1f MiB is the largest single allocation: use a smaller "
                       "batch, image or model", dev->caps.name, (double) req->size / MIB,
                       (double) dev->stats.memory_used / MIB, (double) left / MIB,
                       (double) dev->facts.memory.memoryHeaps[heap].size / MIB,
                       (double) dev->caps.allocation_max / MIB);
fail:
    return result;
}

void vkd__memory_give(vkd_device *dev, struct vkd__allocation *a)
{
    struct vkd__memory *m = &dev->memory;
    struct vkd__block *b = a->block;
    if (!b)
        return;
    uint32_t i = 0;
    while (i < b->hole_count && b->holes[i].ofs < a->ofs)
        i++;
    bool joins_left = i > 0 && b->holes[i - 1].ofs + b->holes[i - 1].size == a->ofs;
    bool joins_right = i < b->hole_count && a->ofs + a->size == b->holes[i].ofs;
    if (joins_left && joins_right) {
        b->holes[i - 1].size += a->size + b->holes[i].size;
        b->hole_count--;
        memmove(&b->holes[i], &b->holes[i + 1], (b->hole_count - i) * sizeof(*b->holes));
    } else if (joins_left) {
        b->holes[i - 1].size += a->size;
    } else if (joins_right) {
        b->holes[i].ofs = a->ofs;
        b->holes[i].size += a->size;
    } else if (vkd__reserve(&b->holes, &b->hole_capacity, b->hole_count + 1, sizeof(*b->holes))) {
        memmove(&b->holes[i + 1], &b->holes[i], (b->hole_count - i) * sizeof(*b->holes));
        b->holes[i] = (struct vkd__hole) { a->ofs, a->size };
        b->hole_count++;
    }   // else the part is lost until the device is destroyed
    a->block = NULL;

    // An empty block goes back, but one shared block per type is kept for the next buffers.
    bool empty = b->hole_count == 1 && b->holes[0].size == b->size;
    bool spare = false;
    for (uint32_t k = 0; k < m->count; k++)
        spare = spare || (m->blocks[k] != b && m->blocks[k]->type == b->type && !m->blocks[k]->own);
    if (!empty || (!b->own && !spare))
        return;
    for (uint32_t k = 0; k < m->count; k++) {
        if (m->blocks[k] == b) {
            m->blocks[k] = m->blocks[--m->count];
            break;
        }
    }
    block_free(dev, b);
}

void vkd__memory_finish(vkd_device *dev)
{
    struct vkd__memory *m = &dev->memory;
    for (uint32_t i = 0; i < m->count; i++)
        block_free(dev, m->blocks[i]);
    free(m->blocks);
    *m = (struct vkd__memory) { 0 };
}
