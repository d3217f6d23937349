// host.c -- an application's own Vulkan and its options: nothing that any renderer would not have.
#define VOLK_IMPLEMENTATION
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void host_fail(const char *what)
{
    fprintf(stderr, "error: %s\n", what);
    exit(EXIT_FAILURE);
}

void host_check(VkResult vk, const char *what)
{
    if (vk < 0)
        host_fail(what);
}

double host_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

void host_options(int argc, char **argv, const char *usage, const struct host_option *options)
{
    for (int i = 1; i < argc; i += 2) {
        const struct host_option *o = options;
        if (!strcmp(argv[i], "--help")) {
            puts(usage);
            exit(EXIT_SUCCESS);
        }
        while (o->name && strcmp(o->name, argv[i]))
            o++;
        char *end = argv[i + 1];                // NULL after the last argument
        if (o->number && end)
            *o->number = strtod(argv[i + 1], &end);
        if (!o->name || !end || (o->number && (end == argv[i + 1] || *end || !(*o->number >= o->least && *o->number <= o->most)))) {
            fprintf(stderr, "error: '%s': %s\n%s\n", argv[i], o->name ? "its value is missing or out of range" : "unknown", usage);
            exit(2);
        }
        if (o->text)
            *o->text = argv[i + 1];
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

double host_quantile(double *x, uint32_t count, double q)
{
    qsort(x, count, sizeof(*x), by_value);
    return x[(uint32_t) (q * (count - 1) + 0.5)];
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    struct host *h = user;
    (void) severity, (void) types;
    h->messages++;
    fprintf(stderr, "validation: %s\n", data->pMessage);
    return VK_FALSE;
}

static void open_instance(struct host *h, const char *name)
{
    const char *env = getenv("VKDIV_VALIDATION"), *layer = "VK_LAYER_KHRONOS_validation";
    const char *extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    bool validation = h->validation = env && *env == '1';
    VkDebugUtilsMessengerCreateInfoEXT messenger = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT
                         | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = h,
    };
    VkValidationFeatureEnableEXT enable = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
    VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .enabledValidationFeatureCount = 1, .pEnabledValidationFeatures = &enable,
    };
    VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = validation ? &features : NULL,
        .pApplicationInfo = &(VkApplicationInfo) {
            .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .pApplicationName = name, .apiVersion = VKD_VK_MIN,
        },
        .enabledLayerCount = validation, .ppEnabledLayerNames = &layer,
        .enabledExtensionCount = validation, .ppEnabledExtensionNames = &extension,
    };
    host_check(volkInitialize(), "there is no Vulkan loader");
    host_check(vkCreateInstance(&info, NULL, &h->instance), "no Vulkan instance (is the validation layer installed?)");
    volkLoadInstanceOnly(h->instance);
    if (validation)
        host_check(vkCreateDebugUtilsMessengerEXT(h->instance, &messenger, NULL, &h->messenger), "no messenger");
}

// The first device that vkdiv can share, with what it wants.
static void open_device(struct host *h)
{
    VkPhysicalDevice all[16];
    uint32_t count = 16;
    host_check(vkEnumeratePhysicalDevices(h->instance, &count, all), "no Vulkan device");
    for (uint32_t i = 0; i < count && !h->wants.usable; i++) {
        h->physical = all[i];
        if (vkd_device_wants(h->instance, all[i], vkGetInstanceProcAddr, NULL, &h->wants) != VKD_OK)
            host_fail("the device does not say what it can");
    }
    if (!h->wants.usable)
        host_fail("no device that vkdiv can share");
    h->family = h->wants.queue_family;
    float priority = 1;
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &h->wants.features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &(VkDeviceQueueCreateInfo) {
            .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
            .queueFamilyIndex = h->family, .queueCount = 1, .pQueuePriorities = &priority,
        },
        .enabledExtensionCount = h->wants.extension_count, .ppEnabledExtensionNames = h->wants.extensions,
    };
    host_check(vkCreateDevice(h->physical, &info, NULL, &h->device), "the device cannot be created");
    volkLoadDevice(h->device);
    vkGetDeviceQueue(h->device, h->family, 0, &h->queue);
}

static void open_frames(struct host *h)
{
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT, .queueFamilyIndex = h->family,
    };
    host_check(vkCreateCommandPool(h->device, &pool, NULL, &h->pool), "no command pool");
    for (int i = 0; i < HOST_FRAMES; i++) {
        VkCommandBufferAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = h->pool, .commandBufferCount = 1,
        };
        VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, .flags = VK_FENCE_CREATE_SIGNALED_BIT };
        host_check(vkAllocateCommandBuffers(h->device, &info, &h->frames[i].cb), "no command buffer");
        host_check(vkCreateFence(h->device, &fence, NULL, &h->frames[i].fence), "no fence");
    }
}

void host_open(struct host *h, const char *name)
{
    memset(h, 0, sizeof(*h));
    open_instance(h, name);
    open_device(h);
    open_frames(h);
    host_draw_open(h);
}

void host_close(struct host *h)
{
    vkDeviceWaitIdle(h->device);
    for (int i = 0; i < HOST_FRAMES; i++)
        vkDestroyFence(h->device, h->frames[i].fence, NULL);
    vkDestroyCommandPool(h->device, h->pool, NULL);
    host_draw_close(h);
    vkDestroyDevice(h->device, NULL);
    if (h->messenger)
        vkDestroyDebugUtilsMessengerEXT(h->instance, h->messenger, NULL);
    vkDestroyInstance(h->instance, NULL);
}

static void print(void *user, enum vkd_log_level level, const char *text)
{
    (void) user;
    if (level <= VKD_LOG_WARNING)
        fprintf(stderr, "vkdiv: %s\n", text);
}

struct vkd_import_params host_import_params(const struct host *h)
{
    return (struct vkd_import_params) {
        .instance = h->instance, .physical_device = h->physical, .device = h->device,
        .get_proc_addr = vkGetInstanceProcAddr, .queue_family = h->family,
        .extensions = h->wants.extensions, .extension_count = h->wants.extension_count,
        .features = &h->wants.features, .log = { .fn = print },
    };
}

struct host_buffer host_buffer_create(struct host *h, VkDeviceSize size, bool mapped)
{
    struct host_buffer b = { .size = size };
    const VkMemoryPropertyFlags want = mapped ? VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
                                              : VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
    VkBufferCreateInfo info = { .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = size, .usage = VKD_WRAP_USAGE };
    VkPhysicalDeviceMemoryProperties m;
    VkMemoryRequirements req;
    host_check(vkCreateBuffer(h->device, &info, NULL, &b.buffer), "no buffer");
    vkGetBufferMemoryRequirements(h->device, b.buffer, &req);
    vkGetPhysicalDeviceMemoryProperties(h->physical, &m);
    uint32_t type = 0;
    while (type < m.memoryTypeCount && (!(req.memoryTypeBits >> type & 1) || (m.memoryTypes[type].propertyFlags & want) != want))
        type++;
    VkMemoryAllocateInfo alloc = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = req.size, .memoryTypeIndex = type,
    };
    host_check(vkAllocateMemory(h->device, &alloc, NULL, &b.memory), "no memory");
    host_check(vkBindBufferMemory(h->device, b.buffer, b.memory, 0), "no memory");
    if (mapped)
        host_check(vkMapMemory(h->device, b.memory, 0, VK_WHOLE_SIZE, 0, &b.data), "no mapping");
    return b;
}

void host_buffer_destroy(struct host *h, struct host_buffer *b)
{
    vkDestroyBuffer(h->device, b->buffer, NULL);
    vkFreeMemory(h->device, b->memory, NULL);
}

vkd_buffer *host_wrap(vkd_device *dev, const struct host_buffer *b)
{
    const struct vkd_wrap_params p = { .buffer = b->buffer, .size = b->size, .usage = VKD_WRAP_USAGE };
    vkd_buffer *buf = NULL;
    if (vkd_buffer_wrap(dev, &p, &buf) != VKD_OK)
        host_fail("the buffer cannot be shared");
    return buf;
}

// What the drawing shader has written, for `stage`.
static void barrier(VkCommandBuffer cb, VkPipelineStageFlags stage, VkAccessFlags access)
{
    VkMemoryBarrier b = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT, .dstAccessMask = access,
    };
    vkCmdPipelineBarrier(cb, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, stage, 0, 1, &b, 0, NULL, 0, NULL);
}

VkCommandBuffer host_frame_begin(struct host *h, uint32_t slot)
{
    VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    host_check(vkWaitForFences(h->device, 1, &h->frames[slot].fence, VK_TRUE, UINT64_MAX), "the device is lost");
    host_check(vkResetFences(h->device, 1, &h->frames[slot].fence), "the device is lost");
    host_check(vkBeginCommandBuffer(h->frames[slot].cb, &info), "no command buffer");
    barrier(h->frames[slot].cb, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT);     // on the frame before
    return h->frames[slot].cb;
}

void host_frame_end(struct host *h, uint32_t slot)
{
    VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &h->frames[slot].cb,
    };
    barrier(h->frames[slot].cb, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);      // labels
    host_check(vkEndCommandBuffer(h->frames[slot].cb), "the command buffer cannot be ended");
    host_check(vkQueueSubmit(h->queue, 1, &info, h->frames[slot].fence), "the device is lost");
}
