// pipeline_cache.c -- compiled pipelines on disk. Drivers trust such a file blindly, so vkdiv does not:
// it is used only when its own header, length, hash, device and driver are right.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "internal.h"

#define FILE_MAX ((uint64_t) 256 << 20)

struct header {
    char     magic[8];
    uint64_t size, hash;            // of the bytes behind the header
    uint8_t  device_uuid[16], driver_uuid[16], cache_uuid[VK_UUID_SIZE];
    uint32_t driver_version, vendor_id, device_id, reserved;
};

static struct header make_header(const vkd_device *dev, const void *data, uint64_t size)
{
    struct header h = {
        .magic = { 'V', 'K', 'D', 'P', 'I', 'P', 'E', '1' },
        .size = size,
        .hash = XXH64(data, size, 0),
        .driver_version = dev->caps.driver_version,
        .vendor_id = dev->caps.vendor_id,
        .device_id = dev->caps.device_id,
    };
    memcpy(h.device_uuid, dev->caps.uuid, sizeof(h.device_uuid));
    memcpy(h.driver_uuid, dev->caps.driver_uuid, sizeof(h.driver_uuid));
    memcpy(h.cache_uuid, dev->facts.cache_uuid, sizeof(h.cache_uuid));
    return h;
}

static char *make_path(const vkd_device *dev, const char *dir)
{
    const uint8_t *u = dev->caps.uuid;
    size_t size = strlen(dir) + 64;
    char *path = malloc(size);
    if (path) {
        int n = snprintf(path, size, "%s/pipelines-", dir);
        for (int i = 0; i < 16; i++)
            n += snprintf(path + n, size - (size_t) n, "%02x", u[i]);
        snprintf(path + n, size - (size_t) n, ".bin");
    }
    return path;
}

static bool valid(const vkd_device *dev, const uint8_t *file, uint64_t size)
{
    struct header h;
    if (size < sizeof(h))
        return false;
    struct header want = make_header(dev, file + sizeof(h), size - sizeof(h));
    memcpy(&h, file, sizeof(h));
    return !memcmp(&h, &want, sizeof(h));
}

// The file's bytes, malloc'd, or NULL where there is none that is good.
static uint8_t *read_file(vkd_device *dev, uint64_t *size)
{
    uint8_t *file = NULL;
    struct vkd__why why = { "" };
    bool there = vkd__path_kind(dev->cache_path, NULL, NULL) == VKD__PATH_FILE;
    if (there && vkd__file_read(dev->cache_path, FILE_MAX, &file, size, &why) == VKD_OK && valid(dev, file, *size))
        return file;
    if (there)
        vkd_log_write(&dev->log, VKD_LOG_INFO, "ignoring the pipeline cache %s: it is damaged or of another driver",
                      dev->cache_path);
    free(file);
    return NULL;
}

vkd_result vkd__pipeline_cache_open(vkd_device *dev, const struct vkd__cache_source *from)
{
    uint8_t *file = NULL;
    const uint8_t *bytes = from->data;
    uint64_t size = from->size;
    dev->cache_borrowed = from->handle;
    if (from->handle) {
        dev->cache = from->handle;
        return VKD_OK;
    }
    if (bytes && !valid(dev, bytes, size)) {
        vkd_log_write(&dev->log, VKD_LOG_INFO, "ignoring the pipeline cache of the application: it is damaged or of "
                      "another driver");
        bytes = NULL;
    }
    if (from->dir && *from->dir) {
        dev->cache_path = make_path(dev, from->dir);
        if (!dev->cache_path)
            return vkd__fail(dev, VKD_NO_MEMORY, "out of host memory");
        bytes = file = read_file(dev, &size);
    }
    VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = bytes ? size - sizeof(struct header) : 0,
        .pInitialData = bytes ? bytes + sizeof(struct header) : NULL,
    };
    dev->cache_hash = bytes ? XXH64(info.pInitialData, info.initialDataSize, 0) : 0;
    VkResult vk = dev->vk.vkCreatePipelineCache(dev->handle, &info, dev->host_memory, &dev->cache);
    if (vk < 0 && bytes) {
        info.initialDataSize = 0;
        vk = dev->vk.vkCreatePipelineCache(dev->handle, &info, dev->host_memory, &dev->cache);
    }
    free(file);
    if (vk < 0)
        return vkd__vk_failed(dev, vk, "CreatePipelineCache", __FILE__, __LINE__);
    return VKD_OK;
}

vkd_result vkd_device_cache_data(vkd_device *dev, void **out, uint64_t *out_size)
{
    vkd_result result;
    uint8_t *file = NULL;
    size_t size = 0;
    TRY(vkd__device_check(dev));
    VK(dev, dev->vk.vkGetPipelineCacheData(dev->handle, dev->cache, &size, NULL));
    file = malloc(sizeof(struct header) + size);
    if (!file)
        return vkd__fail(dev, VKD_NO_MEMORY, "vkd_device_cache_data: out of host memory");
    // Another thread may add to a borrowed cache meanwhile: what fits is a cache too.
    VK(dev, dev->vk.vkGetPipelineCacheData(dev->handle, dev->cache, &size, file + sizeof(struct header)));
    struct header h = make_header(dev, file + sizeof(h), size);
    memcpy(file, &h, sizeof(h));
    *out = file;
    *out_size = sizeof(h) + size;
    return VKD_OK;

fail:
    free(file);
    return result;
}

// Losing the cache costs time, not results: failures are a warning.
void vkd_device_save_cache(vkd_device *dev)
{
    void *file = NULL;
    uint64_t size = 0;
    struct vkd__why why = { "" };
    struct header h;
    if (!dev->cache || !dev->cache_path || dev->lost || vkd_device_cache_data(dev, &file, &size) != VKD_OK)
        return;
    memcpy(&h, file, sizeof(h));
    if (h.size && h.hash != dev->cache_hash && vkd__file_replace(dev->cache_path, file, size, &why) != VKD_OK)
        vkd_log_write(&dev->log, VKD_LOG_WARNING, "the pipeline cache was not saved: %s", why.text);
    dev->cache_hash = h.hash;       // a failure is told once
    free(file);
}

void vkd__pipeline_cache_close(vkd_device *dev)
{
    vkd_device_save_cache(dev);
    if (!dev->cache_borrowed)
        dev->vk.vkDestroyPipelineCache(dev->handle, dev->cache, dev->host_memory);
    dev->cache = VK_NULL_HANDLE;
    free(dev->cache_path);
    dev->cache_path = NULL;
}
