// device.c -- a vkd_device: created on its own VkDevice or wrapped around the application's.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

const char *vkd__vk_text(VkResult vk)
{
    switch (vk) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:    return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:  return "out of device memory";
    case VK_ERROR_INITIALIZATION_FAILED: return "initialisation failed";
    case VK_ERROR_DEVICE_LOST:           return "device lost";
    case VK_ERROR_MEMORY_MAP_FAILED:     return "mapping memory failed";
    case VK_ERROR_LAYER_NOT_PRESENT:     return "a layer is missing";
    case VK_ERROR_EXTENSION_NOT_PRESENT: return "an extension is missing";
    case VK_ERROR_FEATURE_NOT_PRESENT:   return "a feature is missing";
    case VK_ERROR_INCOMPATIBLE_DRIVER:   return "no compatible driver";
    case VK_ERROR_TOO_MANY_OBJECTS:      return "too many objects";
    case VK_ERROR_OUT_OF_POOL_MEMORY:    return "out of pool memory";
    case VK_ERROR_FRAGMENTED_POOL:       return "fragmented pool";
    default:                             return "Vulkan error";
    }
}

vkd_result vkd__vk_result(VkResult vk)
{
    switch (vk) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_MEMORY_MAP_FAILED: return VKD_NO_MEMORY;
    case VK_ERROR_DEVICE_LOST:       return VKD_DEVICE_LOST;
    default:                         return vk < 0 ? VKD_UNSUPPORTED : VKD_OK;
    }
}

vkd_result vkd__fail(vkd_device *dev, vkd_result r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(dev->last_error, sizeof(dev->last_error), format, args);
    va_end(args);
    vkd_log_write(&dev->log, VKD_LOG_ERROR, "%s", dev->last_error);
    return r;
}

vkd_result vkd__vk_failed(vkd_device *dev, VkResult vk, const char *call, const char *file, int line)
{
    // `call` is "dev->vk.vkName(...)" or "Name".
    const char *slash = strrchr(file, '/'), *dot = strstr(call, "vk.vk");
    const char *name = dot ? dot + 5 : call;
    int length = (int) strcspn(name, "(");
    const char *hint = "";
    bool loss = vk == VK_ERROR_DEVICE_LOST && !dev->lost;
    if (vk == VK_ERROR_DEVICE_LOST) {
        dev->lost = true;
        hint = ": the driver was reset or the device removed (a submission that ran too long can do that too); destroy "
               "everything made from this device, create a new one and resume from the last checkpoint";
    }
    vkd_result r = vkd__fail(dev, vkd__vk_result(vk), "%.64s: vk%.*s at %s:%d: %s (%d)%s", dev->caps.name, length, name,
                             slash ? slash + 1 : file, line, vkd__vk_text(vk), (int) vk, hint);
    if (loss)
        vkd__fault_log(dev);
    return r;
}

vkd_result vkd__device_check(vkd_device *dev)
{
    if (!dev->lost)
        return VKD_OK;
    return vkd__fail(dev, VKD_DEVICE_LOST, "%.64s was lost before: destroy everything made from it and create a new "
                     "device", dev->caps.name);
}

bool vkd__reserve(void *array, uint32_t *capacity, uint32_t count, size_t size)
{
    if (count <= *capacity)
        return true;
    uint32_t next = *capacity ? *capacity : 8;
    while (next < count)
        next *= 2;
    void *old, *grown;
    memcpy(&old, array, sizeof(old));
    grown = realloc(old, next * size);
    if (!grown)
        return false;
    memcpy(array, &grown, sizeof(grown));
    *capacity = next;
    return true;
}

static bool load_functions(vkd_device *dev)
{
    bool ok = true;
    vkd__device_table_load(&dev->vk, dev->inst->vk.GetDeviceProcAddr, dev->handle);
#define X(name) ok = ok && dev->vk.vk##name;
    VKD_DEVICE_FUNCTIONS(X)
#undef X
    return ok;
}

static VkResult create_handle(vkd_device *dev)
{
    struct vkd_device_wants wants;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR statistics = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
        .pipelineExecutableInfo = VK_TRUE,
    };
    vkd__caps_wants(&dev->caps, &dev->facts, &wants);
    wants.v12.shaderSubgroupExtendedTypes = dev->caps.f16_shuffle;      // for `vkdiv selftest`
    wants.v12.shaderInt8 = dev->caps.int8;
    const char *extensions[VKD_EXTENSION_MAX + 1];
    uint32_t count = wants.extension_count;
    memcpy(extensions, wants.extensions, count * sizeof(*extensions));
    if (dev->compiler) {
        extensions[count++] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
        *wants.tail = &statistics;
    }
    float priority = 1;
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &wants.features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &(VkDeviceQueueCreateInfo) {
            .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
            .queueFamilyIndex = wants.queue_family,
            .queueCount = 1,
            .pQueuePriorities = &priority,
        },
        .enabledExtensionCount = count,
        .ppEnabledExtensionNames = extensions,
    };
    return dev->inst->vk.CreateDevice(dev->physical, &info, dev->host_memory, &dev->handle);
}

// What own and imported devices have in common once dev->handle is there.
static vkd_result set_up(vkd_device *dev, uint32_t family, uint32_t index, const struct vkd__cache_source *cache)
{
    if (!load_functions(dev))
        return vkd__fail(dev, VKD_UNSUPPORTED, "%.64s: its driver lacks functions of Vulkan 1.2", dev->caps.name);
    dev->queue.family = family;
    dev->vk.vkGetDeviceQueue(dev->handle, family, index, &dev->queue.handle);
    vkd_result result = vkd__queue_create(dev);
    return result == VKD_OK ? vkd__pipeline_cache_open(dev, cache) : result;
}

static vkd_result choose(vkd_device *dev, const char *selector, const struct vkd_profile *profile)
{
    VkPhysicalDevice *handles = NULL;
    struct vkd_device_row *rows = NULL;
    uint32_t count = 0;
    int index = -1;
    vkd_result result = vkd__device_rows(dev->inst, &handles, &rows, &count);
    if (result == VKD_OK)
        result = vkd__device_select(&dev->log, selector, rows, count, &index);
    if (result == VKD_OK) {
        dev->physical = handles[index];
        result = vkd__caps_read(dev->inst, dev->physical, &dev->caps, &dev->facts);
    }
    if (result == VKD_OK && !rows[index].usable)
        result = vkd__fail(dev, VKD_UNSUPPORTED, "%s cannot be used: %s", dev->caps.name, rows[index].why);
    if (result == VKD_OK && dev->caps.cpu && (!selector || !*selector))
        vkd_log_write(&dev->log, VKD_LOG_WARNING, "no GPU found: %s runs on the CPU", dev->caps.name);
    if (result == VKD_OK && profile)
        vkd__profile_apply(profile, &dev->caps, &dev->facts);
    free(rows);
    free(handles);
    return result;
}

static void take_allocator(vkd_device *dev, const VkAllocationCallbacks *allocator)
{
    if (allocator)
        dev->allocator = *allocator;
    dev->host_memory = allocator ? &dev->allocator : NULL;
}

vkd_result vkd_device_create(const struct vkd_device_params *p, vkd_device **out)
{
    vkd_device *dev = calloc(1, sizeof(*dev));
    vkd_result result;
    if (!dev) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "out of host memory");
        return VKD_NO_MEMORY;
    }
    dev->log = p->log;
    dev->faults = p->faults;
    dev->pace.budget = p->submission_seconds > 0 ? p->submission_seconds : 0.1;
    take_allocator(dev, p->allocator);
    TRY(vkd__instance_create(&p->log, p->validation, dev->host_memory, &dev->inst));
    TRY(choose(dev, p->selector, p->profile));
    VkResult vk = create_handle(dev);
    VK_AS(dev, vk, CreateDevice);
    TRY(set_up(dev, dev->facts.queue_family, 0, &(struct vkd__cache_source) { .dir = p->cache_dir }));
    *out = dev;
    return VKD_OK;

fail:
    vkd_device_destroy(&dev);
    return result;
}

vkd_result vkd__compiler_create(struct vkd__instance *inst, vkd_device **out)
{
    vkd_device *dev = calloc(1, sizeof(*dev));
    vkd_result result;
    if (!dev) {
        vkd_log_write(&inst->log, VKD_LOG_ERROR, "out of host memory");
        vkd__instance_destroy(&inst);
        return VKD_NO_MEMORY;
    }
    dev->log = inst->log;
    dev->inst = inst;
    dev->compiler = true;
    TRY(choose(dev, NULL, NULL));
    VkResult vk = create_handle(dev);
    VK_AS(dev, vk, CreateDevice);
    if (!load_functions(dev)) {
        result = vkd__fail(dev, VKD_UNSUPPORTED, "%.64s: its driver lacks functions of Vulkan 1.2", dev->caps.name);
        goto fail;
    }
    *out = dev;
    return VKD_OK;

fail:
    vkd__compiler_destroy(&dev);
    return result;
}

void vkd__compiler_destroy(vkd_device **p)
{
    if (*p && (*p)->handle)
        vkd__kernels_finish(*p);
    vkd_device_destroy(p);
}

vkd_result vkd_device_wants(VkInstance instance, VkPhysicalDevice physical, PFN_vkGetInstanceProcAddr get,
                            const struct vkd_log *log, struct vkd_device_wants *out)
{
    const struct vkd_import_params p = { .instance = instance, .get_proc_addr = get, .log = log ? *log : (struct vkd_log) { 0 } };
    struct vkd__instance *inst = NULL;
    struct vkd_caps caps;
    struct vkd__facts facts;
    if (!instance || !physical || !get) {
        vkd_log_write(log, VKD_LOG_ERROR, "vkd_device_wants: instance, physical_device and get_proc_addr are required");
        return VKD_INVALID;
    }
    vkd_result result = vkd__instance_import(&p, &inst);
    if (result == VKD_OK)
        result = vkd__caps_read(inst, physical, &caps, &facts);
    if (result == VKD_OK)
        vkd__caps_wants(&caps, &facts, out);
    vkd__instance_destroy(&inst);
    return result;
}

static const char *missing_field(const struct vkd_import_params *p)
{
    if (!p->instance)
        return "instance";
    if (!p->physical_device)
        return "physical_device";
    if (!p->device)
        return "device";
    if (!p->get_proc_addr)
        return "get_proc_addr";
    if (!p->lock_queue != !p->unlock_queue)
        return p->lock_queue ? "unlock_queue" : "lock_queue";
    if (!p->memory.allocate != !p->memory.release)
        return p->memory.allocate ? "memory.release" : "memory.allocate";
    if (p->extension_count && !p->extensions)
        return "extensions";
    if (p->cache_size && !p->cache_data)
        return "cache_data";
    return NULL;
}

vkd_result vkd_device_import(const struct vkd_import_params *p, vkd_device **out)
{
    vkd_result result;
    char why[160];
    *out = NULL;
    const char *missing = missing_field(p);
    if (missing) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "vkd_device_import: the field '%s' is required", missing);
        return VKD_INVALID;
    }
    if (!!p->pipeline_cache + !!p->cache_data + !!p->cache_dir > 1) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "vkd_device_import: pipelines can be cached by one of 'pipeline_cache', "
                      "'cache_data' and 'cache_dir', but several are given");
        return VKD_INVALID;
    }
    vkd_device *dev = calloc(1, sizeof(*dev));
    if (!dev) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "out of host memory");
        return VKD_NO_MEMORY;
    }
    dev->log = p->log;
    take_allocator(dev, p->allocator);
    dev->source = p->memory;
    dev->faults = p->faults;
    dev->imported = true;
    dev->pace.budget = p->submission_seconds > 0 ? p->submission_seconds : 0.1;
    dev->physical = p->physical_device;
    dev->handle = p->device;
    dev->queue.lock = p->lock_queue;
    dev->queue.unlock = p->unlock_queue;
    dev->queue.user = p->user;
    TRY(vkd__instance_import(p, &dev->inst));
    TRY(vkd__caps_read(dev->inst, dev->physical, &dev->caps, &dev->facts));
    vkd__caps_restrict(p, &dev->caps, &dev->facts);
    if (!vkd__caps_usable(&dev->caps, &dev->facts, why, sizeof(why))) {
        result = vkd__fail(dev, VKD_UNSUPPORTED, "%s cannot be used: %s", dev->caps.name, why);
        goto fail;
    }
    if (!vkd__caps_queue(dev->inst, dev->physical, p->queue_family, p->queue_index, &dev->caps)) {
        result = vkd__fail(dev, VKD_INVALID, "queue %u of family %u is not there or cannot compute: import a queue that the "
                           "device was created with, of a family with VK_QUEUE_COMPUTE_BIT", p->queue_index, p->queue_family);
        goto fail;
    }
    TRY(set_up(dev, p->queue_family, p->queue_index, &(struct vkd__cache_source) {
        .handle = p->pipeline_cache, .data = p->cache_data, .size = p->cache_size, .dir = p->cache_dir,
    }));
    *out = dev;
    return VKD_OK;

fail:
    vkd_device_destroy(&dev);
    return result;
}

void vkd_device_destroy(vkd_device **p)
{
    vkd_device *dev = *p;
    *p = NULL;
    if (!dev)
        return;
    dev->faults = (struct vkd_faults) { 0 };
    if (dev->handle && dev->queue.timeline) {
        uint64_t ticket = dev->queue.submitted;
        vkd_result result = dev->lost ? VKD_OK : vkd_wait(dev, ticket, UINT64_MAX, NULL);
        if (result != VKD_OK)
            vkd_log_write(&dev->log, VKD_LOG_WARNING, "destroying a device that no longer answers");
        vkd__staging_finish(dev);
        vkd__pace_finish(dev);
        vkd__queue_finish(dev);
        if (dev->live_buffers || dev->live_lists)
            vkd_log_write(&dev->log, VKD_LOG_ERROR, "vkd_device_destroy: %u buffers and %u command lists were not "
                          "destroyed before", dev->live_buffers, dev->live_lists);
        vkd__kernels_finish(dev);
        vkd__pipeline_cache_close(dev);
        vkd__memory_finish(dev);
    }
    if (dev->handle && !dev->imported && dev->vk.vkDestroyDevice)
        dev->vk.vkDestroyDevice(dev->handle, dev->host_memory);
    vkd__instance_destroy(&dev->inst);
    free(dev);
}

const struct vkd_caps *vkd_device_caps(const vkd_device *dev)
{
    return &dev->caps;
}

const struct vkd_log *vkd_device_log(const vkd_device *dev)
{
    return &dev->log;
}

const char *vkd_device_last_error(const vkd_device *dev)
{
    return dev->last_error;
}

struct vkd_device_stats vkd_device_stats(const vkd_device *dev)
{
    struct vkd_device_stats stats = dev->stats;
    stats.validation_messages = dev->inst->messages;
    return stats;
}
