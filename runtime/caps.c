// caps.c -- what a device is and can do: the one place that knows about vendors and drivers.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static const struct vkd_feature required_features[] = {
    { "timelineSemaphore", "VkPhysicalDeviceVulkan12Features", true, "one semaphore orders all submissions" },
    { "storageBuffer16BitAccess", "VkPhysicalDeviceVulkan11Features", false, "tensors of 16-bit floats" },
    { "shaderFloat16", "VkPhysicalDeviceVulkan12Features", false, "16-bit arithmetic" },
    { "shaderInt64", "VkPhysicalDeviceFeatures", false, "fewer stores on drivers that run on a CPU" },
    { "subgroupSizeControl", "VK_EXT_subgroup_size_control", false, "kernels that need one subgroup size" },
    { "computeFullSubgroups", "VK_EXT_subgroup_size_control", false, "kernels that need one subgroup size" },
    { "deviceFault", "VK_EXT_device_fault", false, "why a device was lost, in the log" },
};

const struct vkd_feature *vkd_required_features(uint32_t *count)
{
    *count = sizeof(required_features) / sizeof(required_features[0]);
    return required_features;
}

// In the order in which struct vkd_device_wants lists them.
static const struct vkd_extension required_extensions[] = {
    { VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME, false, "kernels that need one subgroup size" },
    { VK_EXT_MEMORY_BUDGET_EXTENSION_NAME, false, "how much memory is free now" },
    { "VK_KHR_portability_subset", true, "Vulkan asks for it where a device has it" },
    { VK_KHR_MAINTENANCE_4_EXTENSION_NAME, false, "the size of the largest buffer" },
    { VK_EXT_DEVICE_FAULT_EXTENSION_NAME, false, "why a device was lost, in the log" },
};

// Vulkan promises most of these; what is not promised is said so.
static const struct vkd_limit required_limits[] = {
    { "maxPerStageDescriptorStorageBuffers", VKD__STORAGE_BINDINGS, "bindings of the optimisers' kernels; 4 are promised" },
    { "maxComputeWorkGroupInvocations", 128, "the smallest workgroups; larger ones are used where there are" },
    { "maxComputeWorkGroupSize[0]", 128, "the same" },
    { "maxComputeSharedMemorySize", 16384, "tiles of products; larger ones are used where there is more" },
    { "maxPushConstantsSize", 128, "parameters of kernels" },
    { "maxStorageBufferRange", (uint64_t) 1 << 27, "bytes of one tensor" },
    { "maxMemoryAllocationCount", 64, "a few large blocks" },
};

const struct vkd_extension *vkd_required_extensions(uint32_t *count)
{
    *count = sizeof(required_extensions) / sizeof(required_extensions[0]);
    return required_extensions;
}

const struct vkd_limit *vkd_required_limits(uint32_t *count)
{
    *count = sizeof(required_limits) / sizeof(required_limits[0]);
    return required_limits;
}

static bool listed(const VkExtensionProperties *rows, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!strcmp(rows[i].extensionName, name))
            return true;
    }
    return false;
}

static vkd_result read_extensions(struct vkd__instance *inst, VkPhysicalDevice pd, struct vkd__facts *facts)
{
    uint32_t count = 0, wanted = sizeof(required_extensions) / sizeof(required_extensions[0]);
    VkExtensionProperties *rows = NULL;
    VkResult vk = inst->vk.EnumerateDeviceExtensionProperties(pd, NULL, &count, NULL);
    if (vk >= 0 && count) {
        rows = calloc(count, sizeof(*rows));
        if (!rows) {
            vkd_log_write(&inst->log, VKD_LOG_ERROR, "out of host memory");
            return VKD_NO_MEMORY;
        }
        vk = inst->vk.EnumerateDeviceExtensionProperties(pd, NULL, &count, rows);
    }
    for (uint32_t i = 0; vk >= 0 && i < wanted; i++) {
        if (listed(rows, count, required_extensions[i].name))
            facts->extensions[facts->extension_count++] = required_extensions[i].name;
    }
    if (vk >= 0 && listed(rows, count, "VK_KHR_cooperative_matrix"))
        facts->matrices = VKD__MATRICES_KHR;
    else if (vk >= 0 && listed(rows, count, VK_NV_COOPERATIVE_MATRIX_EXTENSION_NAME))
        facts->matrices = VKD__MATRICES_NV;
    free(rows);
    return VKD_OK;
}

static bool has(const struct vkd__facts *facts, const char *extension)
{
    for (uint32_t i = 0; i < facts->extension_count; i++) {
        if (!strcmp(facts->extensions[i], extension))
            return true;
    }
    return false;
}

static void read_features(struct vkd__instance *inst, VkPhysicalDevice pd, struct vkd_caps *caps,
                          struct vkd__facts *facts)
{
    bool control = has(facts, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    VkPhysicalDeviceSubgroupSizeControlFeatures size_control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
    };
    VkPhysicalDeviceFaultFeaturesEXT fault = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FAULT_FEATURES_EXT,
        .pNext = control ? &size_control : NULL,
    };
    VkPhysicalDeviceVulkan12Features v12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = has(facts, VK_EXT_DEVICE_FAULT_EXTENSION_NAME) ? &fault : fault.pNext,
    };
    VkPhysicalDeviceVulkan11Features v11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
        .pNext = &v12,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &v11,
    };
    inst->vk.GetPhysicalDeviceFeatures2(pd, &features);
    facts->timeline = v12.timelineSemaphore;
    facts->subgroup_control = size_control.subgroupSizeControl;
    facts->full_subgroups = size_control.computeFullSubgroups;
    facts->device_fault = fault.deviceFault;
    caps->matrices = facts->matrices;
    caps->f16_storage = v11.storageBuffer16BitAccess;
    caps->f16_arithmetic = v12.shaderFloat16;
    caps->f16_shuffle = v12.shaderFloat16 && v12.shaderSubgroupExtendedTypes;
    caps->int8 = v12.shaderInt8;
    caps->int64 = features.features.shaderInt64;
}

// The first limit that is too low, in facts->limit.
static void check_limits(const VkPhysicalDeviceLimits *lim, struct vkd__facts *facts)
{
    const uint64_t found[] = {
        lim->maxPerStageDescriptorStorageBuffers, lim->maxComputeWorkGroupInvocations, lim->maxComputeWorkGroupSize[0],
        lim->maxComputeSharedMemorySize, lim->maxPushConstantsSize, lim->maxStorageBufferRange,
        lim->maxMemoryAllocationCount,
    };
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]) && !facts->limit; i++) {
        if (found[i] < required_limits[i].least) {
            facts->limit = &required_limits[i];
            facts->limit_found = found[i];
        }
    }
}

static void read_properties(struct vkd__instance *inst, VkPhysicalDevice pd, struct vkd_caps *caps,
                            struct vkd__facts *facts)
{
    VkPhysicalDeviceMaintenance4Properties buffers = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES,
    };
    VkPhysicalDeviceSubgroupSizeControlProperties size_control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES,
    };
    VkPhysicalDeviceVulkan12Properties v12 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES };
    VkPhysicalDeviceVulkan11Properties v11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES, .pNext = &v12,
    };
    VkPhysicalDeviceProperties2 p = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &v11 };
    if (has(facts, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME)) {
        size_control.pNext = p.pNext;
        p.pNext = &size_control;
    }
    if (has(facts, VK_KHR_MAINTENANCE_4_EXTENSION_NAME)) {
        buffers.pNext = p.pNext;
        p.pNext = &buffers;
    }
    inst->vk.GetPhysicalDeviceProperties2(pd, &p);

    const VkPhysicalDeviceLimits *lim = &p.properties.limits;
    snprintf(caps->driver_name, sizeof(caps->driver_name), "%.255s", v12.driverName);
    snprintf(caps->driver_info, sizeof(caps->driver_info), "%.255s", v12.driverInfo);
    memcpy(caps->uuid, v11.deviceUUID, sizeof(caps->uuid));
    memcpy(caps->driver_uuid, v11.driverUUID, sizeof(caps->driver_uuid));
    caps->allocation_max = v11.maxMemoryAllocationSize;
    caps->storage_range_max = lim->maxStorageBufferRange;
    uint32_t storage_align = (uint32_t) lim->minStorageBufferOffsetAlignment;
    uint32_t texel_align = (uint32_t) lim->minTexelBufferOffsetAlignment;
    caps->storage_align = storage_align > 4 ? storage_align : 4;
    caps->texel_align = texel_align > 16 ? texel_align : 16;
    caps->texel_count_max = lim->maxTexelBufferElements;
    for (uint32_t i = 0; i < 3; i++) {
        caps->group_count_max[i] = lim->maxComputeWorkGroupCount[i];
        caps->local_size_max[i] = lim->maxComputeWorkGroupSize[i];
    }
    caps->invocations_max = lim->maxComputeWorkGroupInvocations;
    caps->shared_size_max = lim->maxComputeSharedMemorySize;
    caps->push_size_max = lim->maxPushConstantsSize;
    caps->bindings_max = lim->maxPerStageDescriptorStorageBuffers;
    caps->subgroup_size = v11.subgroupSize;
    if (v11.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT)
        facts->subgroup_ops = v11.subgroupSupportedOperations;
    caps->subgroup_shuffle = facts->subgroup_ops & VK_SUBGROUP_FEATURE_SHUFFLE_BIT;
    caps->f16_shuffle = caps->f16_shuffle && caps->subgroup_shuffle;
    facts->subgroups_max = size_control.maxComputeWorkgroupSubgroups;
    if (!(size_control.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT))
        facts->subgroup_control = false;
    caps->subgroup_size_min = facts->subgroup_control ? size_control.minSubgroupSize : 0;
    caps->subgroup_size_max = facts->subgroup_control ? size_control.maxSubgroupSize : 0;
    facts->allocation_count_max = lim->maxMemoryAllocationCount;
    facts->buffer_size_max = buffers.maxBufferSize ? buffers.maxBufferSize : UINT64_MAX;
    check_limits(lim, facts);
}

// Tensors live in the largest device-local heap.
static uint32_t tensor_heap(const VkPhysicalDeviceMemoryProperties *m)
{
    uint32_t best = 0;
    bool found = false;
    for (uint32_t i = 0; i < m->memoryHeapCount; i++) {
        bool local = m->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT;
        if (local && (!found || m->memoryHeaps[i].size > m->memoryHeaps[best].size)) {
            best = i;
            found = true;
        }
    }
    return best;
}

uint64_t vkd__caps_heap_free(struct vkd__instance *inst, VkPhysicalDevice pd, const struct vkd__facts *facts,
                             uint32_t heap, uint64_t held)
{
    uint64_t size = facts->memory.memoryHeaps[heap].size;
    if (facts->memory_budget) {
        VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT,
        };
        VkPhysicalDeviceMemoryProperties2 m = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = &budget,
        };
        inst->vk.GetPhysicalDeviceMemoryProperties2(pd, &m);
        uint64_t used = budget.heapUsage[heap], limit = budget.heapBudget[heap];
        if (limit > 0)
            return limit > used ? limit - used : 0;
    }
    return size > held ? size - held : 0;
}

static void read_memory(struct vkd__instance *inst, VkPhysicalDevice pd, struct vkd_caps *caps,
                        struct vkd__facts *facts)
{
    VkPhysicalDeviceMemoryProperties2 m = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2 };
    inst->vk.GetPhysicalDeviceMemoryProperties2(pd, &m);
    facts->memory = m.memoryProperties;
    facts->memory_budget = has(facts, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    uint32_t heap = tensor_heap(&facts->memory);
    caps->memory_size = facts->memory.memoryHeaps[heap].size;
    caps->memory_budget = vkd__caps_heap_free(inst, pd, facts, heap, 0);
    // A CPU driver's heap is host memory, whatever it reports.
    uint64_t host = caps->cpu ? vkd__os_memory_free() : 0;
    if (host && host < caps->memory_budget)
        caps->memory_budget = host;
}

// A family for compute alone runs beside the desktop's; else the first that can compute.
static void read_queue(struct vkd__instance *inst, VkPhysicalDevice pd, struct vkd_caps *caps,
                       struct vkd__facts *facts)
{
    VkQueueFamilyProperties families[32];
    uint32_t count = 32;
    inst->vk.GetPhysicalDeviceQueueFamilyProperties(pd, &count, families);
    facts->queue_family = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        bool compute = families[i].queueFlags & VK_QUEUE_COMPUTE_BIT;
        bool graphics = families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT;
        if (compute && families[i].queueCount > 0 && (facts->queue_family == UINT32_MAX || !graphics)) {
            facts->queue_family = i;
            if (!graphics)
                break;
        }
    }
    if (facts->queue_family != UINT32_MAX)
        vkd__caps_queue(inst, pd, facts->queue_family, 0, caps);
}

bool vkd__caps_queue(struct vkd__instance *inst, VkPhysicalDevice pd, uint32_t family, uint32_t index,
                     struct vkd_caps *caps)
{
    VkQueueFamilyProperties families[32];
    VkPhysicalDeviceProperties p;
    uint32_t count = 32;
    inst->vk.GetPhysicalDeviceQueueFamilyProperties(pd, &count, families);
    if (family >= count || index >= families[family].queueCount || !(families[family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        return false;
    inst->vk.GetPhysicalDeviceProperties(pd, &p);
    caps->timestamp_bits = families[family].timestampValidBits;
    caps->timestamp_ns = caps->timestamp_bits ? (double) p.limits.timestampPeriod : 0;
    return true;
}

vkd_result vkd__caps_read(struct vkd__instance *inst, VkPhysicalDevice pd, struct vkd_caps *caps,
                          struct vkd__facts *facts)
{
    VkPhysicalDeviceProperties p;
    memset(caps, 0, sizeof(*caps));
    memset(facts, 0, sizeof(*facts));
    inst->vk.GetPhysicalDeviceProperties(pd, &p);
    snprintf(caps->name, sizeof(caps->name), "%.255s", p.deviceName);
    memcpy(facts->cache_uuid, p.pipelineCacheUUID, sizeof(facts->cache_uuid));
    caps->vendor_id = p.vendorID;
    caps->device_id = p.deviceID;
    caps->driver_version = p.driverVersion;
    caps->api_version = p.apiVersion;
    caps->type = p.deviceType;
    caps->cpu = p.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    if (p.apiVersion < VKD_VK_MIN)
        return VKD_OK;          // the structures below are unknown to it
    vkd_result result = read_extensions(inst, pd, facts);
    if (result != VKD_OK)
        return result;
    read_features(inst, pd, caps, facts);
    read_properties(inst, pd, caps, facts);
    read_memory(inst, pd, caps, facts);
    read_queue(inst, pd, caps, facts);
    return VKD_OK;
}

void vkd__caps_wants(const struct vkd_caps *caps, const struct vkd__facts *facts, struct vkd_device_wants *out)
{
    struct vkd_device_wants *w = out;
    *w = (struct vkd_device_wants) {
        .queue_family = facts->queue_family,
        .extension_count = facts->extension_count,
        .features = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
            .pNext = &w->v11,
            .features.shaderInt64 = caps->int64,
        },
        .v11 = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
            .pNext = &w->v12,
            .storageBuffer16BitAccess = caps->f16_storage,
        },
        .v12 = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
            .timelineSemaphore = facts->timeline,
            .shaderFloat16 = caps->f16_arithmetic,
        },
        .subgroup_size = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES,
            .subgroupSizeControl = facts->subgroup_control,
            .computeFullSubgroups = facts->full_subgroups,
        },
        .device_fault = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FAULT_FEATURES_EXT,
            .deviceFault = facts->device_fault,
        },
    };
    memcpy(w->extensions, facts->extensions, sizeof(w->extensions));
    w->tail = &w->v12.pNext;
    if (facts->subgroup_control) {
        *w->tail = &w->subgroup_size;
        w->tail = &w->subgroup_size.pNext;
    }
    if (facts->device_fault) {
        *w->tail = &w->device_fault;
        w->tail = &w->device_fault.pNext;
    }
    w->usable = vkd__caps_usable(caps, facts, w->why, sizeof(w->why));
}

static const void *chained(const VkPhysicalDeviceFeatures2 *features, VkStructureType type)
{
    const VkBaseInStructure *s = features ? features->pNext : NULL;
    while (s && s->sType != type)
        s = s->pNext;
    return s;
}

void vkd__caps_restrict(const struct vkd_import_params *p, struct vkd_caps *caps, struct vkd__facts *facts)
{
    const VkPhysicalDeviceVulkan11Features *v11 =
        chained(p->features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES);
    const VkPhysicalDeviceVulkan12Features *v12 =
        chained(p->features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES);
    const VkPhysicalDeviceVulkan13Features *v13 =
        chained(p->features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES);
    const VkPhysicalDevice16BitStorageFeatures *storage =
        chained(p->features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES);
    const VkPhysicalDeviceShaderFloat16Int8Features *f16 =
        chained(p->features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES);
    const VkPhysicalDeviceTimelineSemaphoreFeatures *timeline =
        chained(p->features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES);
    const VkPhysicalDeviceSubgroupSizeControlFeatures *control =
        chained(p->features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES);
    const VkPhysicalDeviceFaultFeaturesEXT *fault =
        chained(p->features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FAULT_FEATURES_EXT);

    // Without a list the required features are taken on trust.
    if (p->features)
        facts->timeline = (v12 && v12->timelineSemaphore) || (timeline && timeline->timelineSemaphore);
    caps->f16_storage = (v11 && v11->storageBuffer16BitAccess) || (storage && storage->storageBuffer16BitAccess);
    caps->int64 = caps->int64 && p->features && p->features->features.shaderInt64;
    caps->f16_arithmetic = (v12 && v12->shaderFloat16) || (f16 && f16->shaderFloat16);
    bool enabled = false;
    for (uint32_t i = 0; i < p->extension_count; i++)
        enabled = enabled || !strcmp(p->extensions[i], VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME);
    if (!enabled && caps->api_version < VK_API_VERSION_1_3)
        control = NULL;
    facts->subgroup_control = facts->subgroup_control && ((v13 && v13->subgroupSizeControl)
                                                          || (control && control->subgroupSizeControl));
    if (!facts->subgroup_control)
        caps->subgroup_size_min = caps->subgroup_size_max = 0;
    caps->f16_shuffle = caps->int8 = false;
    facts->device_fault = facts->device_fault && fault && fault->deviceFault;
    facts->full_subgroups = facts->full_subgroups && ((v13 && v13->computeFullSubgroups)
                                                      || (control && control->computeFullSubgroups));
}

bool vkd__caps_usable(const struct vkd_caps *caps, const struct vkd__facts *facts, char *why, size_t size)
{
    if (caps->api_version < VKD_VK_MIN) {
        snprintf(why, size, "its driver offers Vulkan %u.%u, 1.2 is needed: update the driver",
                 VK_API_VERSION_MAJOR(caps->api_version), VK_API_VERSION_MINOR(caps->api_version));
        return false;
    }
    if (!facts->timeline) {
        snprintf(why, size, "the feature timelineSemaphore is missing or was not enabled");
        return false;
    }
    if (facts->limit) {
        snprintf(why, size, "its limit %s is %llu, %llu is needed", facts->limit->name,
                 (unsigned long long) facts->limit_found, (unsigned long long) facts->limit->least);
        return false;
    }
    if (facts->queue_family == UINT32_MAX) {
        snprintf(why, size, "it has no queue that can compute");
        return false;
    }
    switch (caps->type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        snprintf(why, size, "discrete GPU: taken before all others");
        break;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        snprintf(why, size, "integrated GPU: taken when there is no discrete one");
        break;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        snprintf(why, size, "virtual GPU: taken when there is no discrete or integrated one");
        break;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        snprintf(why, size, "CPU driver: taken when it is named or there is no GPU");
        break;
    default:
        snprintf(why, size, "device of unknown type: taken when there is no GPU");
        break;
    }
    return true;
}
