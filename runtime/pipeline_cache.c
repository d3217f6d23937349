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

vkd_result vkd__pipeline_cache_open(vkd_device *dev, const char *dir)
{
    uint8_t *file = NULL;
    uint64_t size = 0;
    struct vkd__why why = { "" };
    if (dir && *dir) {
        dev->cache_path = make_path(dev, dir);
        if (!dev->cache_path)
            return vkd__fail(dev, VKD_NO_MEMORY, "out of host memory");
        bool there = vkd__path_kind(dev->cache_path, NULL, NULL) == VKD__PATH_FILE;
        bool good = there && vkd__file_read(dev->cache_path, FILE_MAX, &file, &size, &why) == VKD_OK
                 && valid(dev, file, size);
        if (there && !good) {
            vkd_log_write(&dev->log, VKD_LOG_INFO, "ignoring the pipeline cache %s: it is damaged or of another driver",
                          dev->cache_path);
            free(file);
            file = NULL;
        }
    }
    VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = file ? size - sizeof(struct header) : 0,
        .pInitialData = file ? file + sizeof(struct header) : NULL,
    };
    dev->cache_hash = file ? XXH64(info.pInitialData, info.initialDataSize, 0) : 0;
    VkResult vk = dev->vk.vkCreatePipelineCache(dev->handle, &info, NULL, &dev->cache);
    if (vk < 0 && file) {
        info.initialDataSize = 0;
        vk = dev->vk.vkCreatePipelineCache(dev->handle, &info, NULL, &dev->cache);
    }
    free(file);
    if (vk < 0)
        return vkd__vk_failed(dev, vk, "CreatePipelineCache", __FILE__, __LINE__);
    return VKD_OK;
}

// Losing the cache costs time, not results: failures are a warning.
void vkd_device_save_cache(vkd_device *dev)
{
    size_t size = 0;
    uint8_t *file = NULL;
    struct vkd__why why = { "" };
    if (!dev->cache || !dev->cache_path || dev->lost ||
        dev->vk.vkGetPipelineCacheData(dev->handle, dev->cache, &size, NULL) < 0 || !size)
        return;
    file = malloc(sizeof(struct header) + size);
    if (!file)
        return;
    uint8_t *data = file + sizeof(struct header);
    if (dev->vk.vkGetPipelineCacheData(dev->handle, dev->cache, &size, data) == VK_SUCCESS) {
        struct header h = make_header(dev, data, size);
        memcpy(file, &h, sizeof(h));
        if (h.hash != dev->cache_hash
            && vkd__file_replace(dev->cache_path, file, sizeof(h) + size, &why) != VKD_OK)
            vkd_log_write(&dev->log, VKD_LOG_WARNING, "the pipeline cache was not saved: %s", why.text);
        dev->cache_hash = h.hash;       // a failure is told once
    }
    free(file);
}

void vkd__pipeline_cache_close(vkd_device *dev)
{
    vkd_device_save_cache(dev);
    dev->vk.vkDestroyPipelineCache(dev->handle, dev->cache, NULL);
    dev->cache = VK_NULL_HANDLE;
    free(dev->cache_path);
    dev->cache_path = NULL;
}
