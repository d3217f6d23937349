// host.h -- an application that owns its VkInstance, VkDevice and queue, for tests of vkdiv inside one.
//
// It loads Vulkan with volk, whose global vk* pointers must not meet those of the library. A test includes this in its
// one file and uses start_host and stop_host as its fixture.
#ifndef HOST_H
#define HOST_H

#define VOLK_IMPLEMENTATION
#include <volk.h>

#include "gpu.h"

#include <vkdiv/embed.h>

static struct host {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    uint32_t family;
    VkCommandPool pool;
    VkDebugUtilsMessengerEXT messenger;
    int messages;
    int locked, locks;
} host;

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    (void) severity, (void) user;
    if (types & VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT) {
        host.messages++;
        fprintf(stderr, "%s\n", data->pMessage);
    }
    return VK_FALSE;
}

static inline void create_instance(void)
{
    const char *layer = "VK_LAYER_KHRONOS_validation", *extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    VkValidationFeatureEnableEXT enable = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
    VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .enabledValidationFeatureCount = 1,
        .pEnabledValidationFeatures = &enable,
    };
    bool validation = gpu_params().validation;
    VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = validation ? &features : NULL,
        .pApplicationInfo = &(VkApplicationInfo) {
            .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_2,
        },
        .enabledLayerCount = validation,
        .ppEnabledLayerNames = &layer,
        .enabledExtensionCount = validation,
        .ppEnabledExtensionNames = &extension,
    };
    ck_assert_int_eq(vkCreateInstance(&info, NULL, &host.instance), VK_SUCCESS);
    volkLoadInstance(host.instance);
    if (validation) {
        VkDebugUtilsMessengerCreateInfoEXT m = {
            .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
            .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT
                             | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
            .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
            .pfnUserCallback = on_message,
        };
        ck_assert_int_eq(vkCreateDebugUtilsMessengerEXT(host.instance, &m, NULL, &host.messenger), VK_SUCCESS);
    }
}

// The device that vkd_device_create would take, so that VKDIV_DEVICE holds here too.
static inline VkPhysicalDevice pick(void)
{
    struct vkd_device_row *rows = NULL;
    VkPhysicalDevice all[16];
    uint32_t count = 0, n = 16;
    int selected = -1;
    ck_assert_int_eq(vkd_device_list(NULL, gpu_params().selector, &rows, &count, &selected), VKD_OK);
    free(rows);
    ck_assert(vkEnumeratePhysicalDevices(host.instance, &n, all) >= 0);
    ck_assert(selected >= 0 && selected < (int) n);
    return all[selected];
}

static VkPhysicalDeviceVulkan12Features v12 = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .timelineSemaphore = VK_TRUE,
};
static VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &v12 };

static inline void start_host(void)
{
    ck_assert_int_eq(volkInitialize(), VK_SUCCESS);
    create_instance();
    host.physical = pick();
    VkQueueFamilyProperties families[16];
    uint32_t n = 16;
    vkGetPhysicalDeviceQueueFamilyProperties(host.physical, &n, families);
    while (host.family < n && !(families[host.family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        host.family++;
    float priority = 1;
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &(VkDeviceQueueCreateInfo) {
            .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
            .queueFamilyIndex = host.family,
            .queueCount = 1,
            .pQueuePriorities = &priority,
        },
    };
    ck_assert_int_eq(vkCreateDevice(host.physical, &info, NULL, &host.device), VK_SUCCESS);
    volkLoadDevice(host.device);
    vkGetDeviceQueue(host.device, host.family, 0, &host.queue);
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .queueFamilyIndex = host.family,
    };
    ck_assert_int_eq(vkCreateCommandPool(host.device, &pool, NULL, &host.pool), VK_SUCCESS);
}

static inline void stop_host(void)
{
    vkDestroyCommandPool(host.device, host.pool, NULL);
    vkDestroyDevice(host.device, NULL);
    if (host.messenger)
        vkDestroyDebugUtilsMessengerEXT(host.instance, host.messenger, NULL);
    vkDestroyInstance(host.instance, NULL);
    ck_assert_int_eq(host.messages, 0);
}

static inline void lock(void *user)
{
    struct host *h = user;
    ck_assert_int_eq(h->locked++, 0);
    h->locks++;
}

static inline void unlock(void *user)
{
    struct host *h = user;
    ck_assert_int_eq(--h->locked, 0);
}

static inline struct vkd_import_params import_params(void)
{
    return (struct vkd_import_params) {
        .instance = host.instance,
        .physical_device = host.physical,
        .device = host.device,
        .get_proc_addr = vkGetInstanceProcAddr,
        .queue_family = host.family,
        .lock_queue = lock,
        .unlock_queue = unlock,
        .user = &host,
        .features = &features,
        .log = { .fn = gpu_log },
    };
}

// ---- What a host does by itself ----

struct host_buffer {
    VkBuffer buffer;
    VkDeviceMemory memory;
    void *data;                 // mapped, coherent
};

static inline struct host_buffer host_buffer(VkDeviceSize size, VkBufferUsageFlags usage)
{
    struct host_buffer b = { 0 };
    VkPhysicalDeviceMemoryProperties m;
    VkMemoryRequirements req;
    VkBufferCreateInfo info = { .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = size, .usage = usage };
    ck_assert_int_eq(vkCreateBuffer(host.device, &info, NULL, &b.buffer), VK_SUCCESS);
    vkGetBufferMemoryRequirements(host.device, b.buffer, &req);
    vkGetPhysicalDeviceMemoryProperties(host.physical, &m);
    const VkMemoryPropertyFlags want = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint32_t type = 0;
    while (!(req.memoryTypeBits >> type & 1) || (m.memoryTypes[type].propertyFlags & want) != want)
        type++;
    VkMemoryAllocateInfo alloc = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = req.size, .memoryTypeIndex = type,
    };
    ck_assert_int_eq(vkAllocateMemory(host.device, &alloc, NULL, &b.memory), VK_SUCCESS);
    ck_assert_int_eq(vkBindBufferMemory(host.device, b.buffer, b.memory, 0), VK_SUCCESS);
    ck_assert_int_eq(vkMapMemory(host.device, b.memory, 0, VK_WHOLE_SIZE, 0, &b.data), VK_SUCCESS);
    return b;
}

static inline void host_buffer_free(struct host_buffer *b)
{
    vkDestroyBuffer(host.device, b->buffer, NULL);
    vkFreeMemory(host.device, b->memory, NULL);
}

static inline VkCommandBuffer host_begin(void)
{
    VkCommandBuffer cb = VK_NULL_HANDLE;
    VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = host.pool, .commandBufferCount = 1,
    };
    ck_assert_int_eq(vkAllocateCommandBuffers(host.device, &info, &cb), VK_SUCCESS);
    VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
    ck_assert_int_eq(vkBeginCommandBuffer(cb, &begin), VK_SUCCESS);
    return cb;
}

// Ends the command buffer, submits it as often as told, waits for a fence, and frees it.
static inline void host_run(VkCommandBuffer cb, int times)
{
    VkFence fence = VK_NULL_HANDLE;
    VkFenceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
    VkSubmitInfo submit = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &cb };
    ck_assert_int_eq(vkEndCommandBuffer(cb), VK_SUCCESS);
    ck_assert_int_eq(vkCreateFence(host.device, &info, NULL, &fence), VK_SUCCESS);
    for (int i = 0; i < times; i++) {
        ck_assert_int_eq(vkQueueSubmit(host.queue, 1, &submit, fence), VK_SUCCESS);
        ck_assert_int_eq(vkWaitForFences(host.device, 1, &fence, VK_TRUE, UINT64_MAX), VK_SUCCESS);
        ck_assert_int_eq(vkResetFences(host.device, 1, &fence), VK_SUCCESS);
    }
    vkDestroyFence(host.device, fence, NULL);
    vkFreeCommandBuffers(host.device, host.pool, 1, &cb);
}

// The host's own handles answer after vkdiv is gone.
static inline void host_still_works(void)
{
    VkFence fence = VK_NULL_HANDLE;
    VkFenceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
    ck_assert_int_eq(vkCreateFence(host.device, &info, NULL, &fence), VK_SUCCESS);
    ck_assert_int_eq(vkQueueSubmit(host.queue, 0, NULL, fence), VK_SUCCESS);
    ck_assert_int_eq(vkWaitForFences(host.device, 1, &fence, VK_TRUE, UINT64_MAX), VK_SUCCESS);
    vkDestroyFence(host.device, fence, NULL);
}

#endif
