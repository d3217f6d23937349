// host.c -- an application's own Vulkan: nothing that any renderer would not have.
#define VOLK_IMPLEMENTATION
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const uint32_t draw_words[] = {
#include "embed/draw.inc"
};

void host_fail(const char *what)
{
    fprintf(stderr, "error: %s\n", what);
    exit(EXIT_FAILURE);
}

static void check(VkResult vk, const char *what)
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
    bool validation = env && *env == '1';
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
    check(volkInitialize(), "there is no Vulkan loader");
    check(vkCreateInstance(&info, NULL, &h->instance), "no Vulkan instance (is the validation layer installed?)");
    volkLoadInstanceOnly(h->instance);
    if (validation)
        check(vkCreateDebugUtilsMessengerEXT(h->instance, &messenger, NULL, &h->messenger), "no messenger");
}

// The first device that vkdiv can share, with what it wants.
static void open_device(struct host *h)
{
    VkPhysicalDevice all[16];
    uint32_t count = 16;
    check(vkEnumeratePhysicalDevices(h->instance, &count, all), "no Vulkan device");
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
    check(vkCreateDevice(h->physical, &info, NULL, &h->device), "the device cannot be created");
    volkLoadDevice(h->device);
    vkGetDeviceQueue(h->device, h->family, 0, &h->queue);
}

static void open_frames(struct host *h)
{
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT, .queueFamilyIndex = h->family,
    };
    check(vkCreateCommandPool(h->device, &pool, NULL, &h->pool), "no command pool");
    for (int i = 0; i < HOST_FRAMES; i++) {
        VkCommandBufferAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = h->pool, .commandBufferCount = 1,
        };
        VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO, .flags = VK_FENCE_CREATE_SIGNALED_BIT };
        check(vkAllocateCommandBuffers(h->device, &info, &h->frames[i].cb), "no command buffer");
        check(vkCreateFence(h->device, &fence, NULL, &h->frames[i].fence), "no fence");
    }
}

static void open_draw(struct host *h)
{
    VkDescriptorSetLayoutBinding bindings[2];
    for (uint32_t i = 0; i < 2; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding) { i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL };
    VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = 2, .pBindings = bindings,
    };
    check(vkCreateDescriptorSetLayout(h->device, &set, NULL, &h->set_layout), "no set layout");
    VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1, .pSetLayouts = &h->set_layout, .pushConstantRangeCount = 1,
        .pPushConstantRanges = &(VkPushConstantRange) { VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(struct host_picture) },
    };
    check(vkCreatePipelineLayout(h->device, &layout, NULL, &h->layout), "no pipeline layout");
    VkShaderModule module;
    VkShaderModuleCreateInfo code = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = sizeof(draw_words), .pCode = draw_words,
    };
    check(vkCreateShaderModule(h->device, &code, NULL, &module), "no shader module");
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .stage = VK_SHADER_STAGE_COMPUTE_BIT, .module = module, .pName = "main",
        },
        .layout = h->layout,
    };
    check(vkCreateComputePipelines(h->device, VK_NULL_HANDLE, 1, &info, NULL, &h->draw), "no pipeline");
    vkDestroyShaderModule(h->device, module, NULL);
    VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 8, .poolSizeCount = 1,
        .pPoolSizes = &(VkDescriptorPoolSize) { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 16 },
    };
    check(vkCreateDescriptorPool(h->device, &pool, NULL, &h->sets), "no descriptor pool");
}

void host_open(struct host *h, const char *name)
{
    memset(h, 0, sizeof(*h));
    open_instance(h, name);
    open_device(h);
    open_frames(h);
    open_draw(h);
}

void host_close(struct host *h)
{
    vkDeviceWaitIdle(h->device);
    for (int i = 0; i < HOST_FRAMES; i++)
        vkDestroyFence(h->device, h->frames[i].fence, NULL);
    vkDestroyCommandPool(h->device, h->pool, NULL);
    vkDestroyDescriptorPool(h->device, h->sets, NULL);
    vkDestroyPipeline(h->device, h->draw, NULL);
    vkDestroyPipelineLayout(h->device, h->layout, NULL);
    vkDestroyDescriptorSetLayout(h->device, h->set_layout, NULL);
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
    check(vkCreateBuffer(h->device, &info, NULL, &b.buffer), "no buffer");
    vkGetBufferMemoryRequirements(h->device, b.buffer, &req);
    vkGetPhysicalDeviceMemoryProperties(h->physical, &m);
    uint32_t type = 0;
    while (type < m.memoryTypeCount && (!(req.memoryTypeBits >> type & 1) || (m.memoryTypes[type].propertyFlags & want) != want))
        type++;
    VkMemoryAllocateInfo alloc = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = req.size, .memoryTypeIndex = type,
    };
    check(vkAllocateMemory(h->device, &alloc, NULL, &b.memory), "no memory");
    check(vkBindBufferMemory(h->device, b.buffer, b.memory, 0), "no memory");
    if (mapped)
        check(vkMapMemory(h->device, b.memory, 0, VK_WHOLE_SIZE, 0, &b.data), "no mapping");
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

VkDescriptorSet host_draw_set(struct host *h, const struct host_buffer *images, VkDeviceSize images_at,
                              const struct host_buffer *labels, VkDeviceSize labels_at, uint32_t count, uint32_t size)
{
    VkDescriptorSet set;
    VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = h->sets, .descriptorSetCount = 1, .pSetLayouts = &h->set_layout,
    };
    check(vkAllocateDescriptorSets(h->device, &info, &set), "no descriptor set");
    const VkDescriptorBufferInfo ranges[2] = {
        { images->buffer, images_at, 16ull * count * size * size }, { labels->buffer, labels_at, 4ull * count },
    };
    VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstSet = set, .descriptorCount = 2,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .pBufferInfo = ranges,
    };
    vkUpdateDescriptorSets(h->device, 1, &write, 0, NULL);
    return set;
}

void host_draw(struct host *h, VkCommandBuffer cb, VkDescriptorSet set, const struct host_picture *p)
{
    vkCmdBindPipeline(cb, VK_PIPELINE_BIND_POINT_COMPUTE, h->draw);
    vkCmdBindDescriptorSets(cb, VK_PIPELINE_BIND_POINT_COMPUTE, h->layout, 0, 1, &set, 0, NULL);
    vkCmdPushConstants(cb, h->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(*p), p);
    vkCmdDispatch(cb, (p->size + 7) / 8, (p->size + 7) / 8, p->count);
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
    check(vkWaitForFences(h->device, 1, &h->frames[slot].fence, VK_TRUE, UINT64_MAX), "the device is lost");
    check(vkResetFences(h->device, 1, &h->frames[slot].fence), "the device is lost");
    check(vkBeginCommandBuffer(h->frames[slot].cb, &info), "no command buffer");
    barrier(h->frames[slot].cb, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT);     // on the frame before
    return h->frames[slot].cb;
}

void host_frame_end(struct host *h, uint32_t slot)
{
    VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &h->frames[slot].cb,
    };
    barrier(h->frames[slot].cb, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);      // labels
    check(vkEndCommandBuffer(h->frames[slot].cb), "the command buffer cannot be ended");
    check(vkQueueSubmit(h->queue, 1, &info, h->frames[slot].fence), "the device is lost");
}
