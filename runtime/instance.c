// instance.c -- the Vulkan loader, the instance, and the validation layer's messages.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define LAYER "VK_LAYER_KHRONOS_validation"

static bool load_functions(struct vkd__instance *inst)
{
    bool ok = true;
#define X(name) \
    inst->vk.name = (PFN_vk##name) inst->get(inst->handle, "vk" #name); \
    ok = ok && inst->vk.name;
    VKD_INSTANCE_FUNCTIONS(X)
#undef X
    return ok;
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    struct vkd__instance *inst = user;
    (void) severity;
    // "General" messages are the loader's chatter about drivers and layers.
    if (types & (VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT)) {
        atomic_fetch_add(&inst->messages, 1);
        vkd_log_write(&inst->log, VKD_LOG_ERROR, "validation: %s", data->pMessage);
    }
    return VK_FALSE;
}

static bool has_layer(PFN_vkGetInstanceProcAddr get)
{
    PFN_vkEnumerateInstanceLayerProperties list =
        (PFN_vkEnumerateInstanceLayerProperties) get(NULL, "vkEnumerateInstanceLayerProperties");
    uint32_t count = 0;
    if (!list || list(&count, NULL) < 0 || !count)
        return false;
    VkLayerProperties *rows = calloc(count, sizeof(*rows));
    bool found = false;
    if (rows && list(&count, rows) >= 0) {
        for (uint32_t i = 0; i < count; i++)
            found = found || !strcmp(rows[i].layerName, LAYER);
    }
    free(rows);
    return found;
}

static bool has_extension(PFN_vkGetInstanceProcAddr get, const char *name)
{
    PFN_vkEnumerateInstanceExtensionProperties list =
        (PFN_vkEnumerateInstanceExtensionProperties) get(NULL, "vkEnumerateInstanceExtensionProperties");
    uint32_t count = 0;
    if (!list || list(NULL, &count, NULL) < 0 || !count)
        return false;
    VkExtensionProperties *rows = calloc(count, sizeof(*rows));
    bool found = false;
    if (rows && list(NULL, &count, rows) >= 0) {
        for (uint32_t i = 0; i < count; i++)
            found = found || !strcmp(rows[i].extensionName, name);
    }
    free(rows);
    return found;
}

static VkResult create_handle(struct vkd__instance *inst, bool validation)
{
    VkDebugUtilsMessengerCreateInfoEXT messenger = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT
                         | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT
                     | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = inst,
    };
    VkValidationFeatureEnableEXT enable = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
    VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = &messenger,        // covers the creation of the instance itself
        .enabledValidationFeatureCount = 1,
        .pEnabledValidationFeatures = &enable,
    };
    const char *extensions[3], *layer = LAYER;
    uint32_t count = 0;
    if (validation)
        extensions[count++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    bool portability = has_extension(inst->get, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);
    if (portability)
        extensions[count++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
    VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = validation ? &features : NULL,
        .flags = portability ? VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR : 0,
        .pApplicationInfo = &(VkApplicationInfo) {
            .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
            .pApplicationName = "vkdiv",
            .pEngineName = "vkdiv " VKD_VERSION,
            .apiVersion = VKD_VK_MIN,
        },
        .enabledLayerCount = validation,
        .ppEnabledLayerNames = &layer,
        .enabledExtensionCount = count,
        .ppEnabledExtensionNames = extensions,
    };
    PFN_vkCreateInstance create = (PFN_vkCreateInstance) inst->get(NULL, "vkCreateInstance");
    VkResult vk = create ? create(&info, inst->host_memory, &inst->handle) : VK_ERROR_INITIALIZATION_FAILED;
    if (vk < 0) {
        inst->handle = NULL;
        return vk;
    }
    if (!load_functions(inst))
        return VK_ERROR_INITIALIZATION_FAILED;
    if (validation) {
        PFN_vkCreateDebugUtilsMessengerEXT fn = (PFN_vkCreateDebugUtilsMessengerEXT)
            inst->get(inst->handle, "vkCreateDebugUtilsMessengerEXT");
        vk = fn ? fn(inst->handle, &messenger, inst->host_memory, &inst->messenger) : VK_ERROR_EXTENSION_NOT_PRESENT;
    }
    return vk;
}

vkd_result vkd__instance_create(const struct vkd_log *log, bool validation,
                                const VkAllocationCallbacks *host_memory, struct vkd__instance **out)
{
    struct vkd__instance *inst = calloc(1, sizeof(*inst));
    vkd_result result = VKD_UNSUPPORTED;
    if (!inst) {
        vkd_log_write(log, VKD_LOG_ERROR, "out of host memory");
        return VKD_NO_MEMORY;
    }
    inst->owned = true;
    inst->host_memory = host_memory;
    if (log)
        inst->log = *log;
    inst->get = (PFN_vkGetInstanceProcAddr) vkd__os_vulkan_loader();
    if (!inst->get) {
        vkd_log_write(log, VKD_LOG_ERROR, "no Vulkan loader (libvulkan.so.1): install it, on Debian with "
                      "'apt install libvulkan1 mesa-vulkan-drivers'");
        goto fail;
    }
    PFN_vkEnumerateInstanceVersion get_version =
        (PFN_vkEnumerateInstanceVersion) inst->get(NULL, "vkEnumerateInstanceVersion");
    uint32_t version = VK_API_VERSION_1_0;
    if (!get_version || get_version(&version) < 0 || version < VKD_VK_MIN) {
        vkd_log_write(log, VKD_LOG_ERROR, "the Vulkan loader is version %u.%u, 1.2 is needed: update it (Debian "
                      "package libvulkan1)", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
        goto fail;
    }
    if (validation && !has_layer(inst->get)) {
        vkd_log_write(log, VKD_LOG_ERROR, "validation was asked for, but the layer " LAYER " is not installed: "
                      "on Debian 'apt install vulkan-validationlayers'");
        goto fail;
    }
    VkResult vk = create_handle(inst, validation);
    if (vk == VK_ERROR_INCOMPATIBLE_DRIVER) {
        vkd_log_write(log, VKD_LOG_ERROR, "the Vulkan loader finds no driver: install the one of your GPU's vendor; "
                      "for AMD, Intel and the CPU 'apt install mesa-vulkan-drivers' on Debian");
        goto fail;
    }
    if (vk < 0) {
        vkd_log_write(log, VKD_LOG_ERROR, "vkCreateInstance: %s", vkd__vk_text(vk));
        result = vkd__vk_result(vk);
        goto fail;
    }
    *out = inst;
    return VKD_OK;

fail:
    vkd__instance_destroy(&inst);
    return result;
}

vkd_result vkd__instance_import(const struct vkd_import_params *p, struct vkd__instance **out)
{
    struct vkd__instance *inst = calloc(1, sizeof(*inst));
    if (!inst) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "out of host memory");
        return VKD_NO_MEMORY;
    }
    inst->log = p->log;
    inst->handle = p->instance;
    inst->get = p->get_proc_addr;
    if (!load_functions(inst)) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "get_proc_addr lacks Vulkan 1.2 functions: create the VkInstance with "
                      "apiVersion 1.2 or higher");
        free(inst);
        return VKD_UNSUPPORTED;
    }
    *out = inst;
    return VKD_OK;
}

void vkd__instance_destroy(struct vkd__instance **p)
{
    struct vkd__instance *inst = *p;
    *p = NULL;
    if (!inst)
        return;
    if (inst->owned && inst->handle) {
        if (inst->messenger) {
            PFN_vkDestroyDebugUtilsMessengerEXT fn = (PFN_vkDestroyDebugUtilsMessengerEXT)
                inst->get(inst->handle, "vkDestroyDebugUtilsMessengerEXT");
            fn(inst->handle, inst->messenger, inst->host_memory);
        }
        if (inst->vk.DestroyInstance)
            inst->vk.DestroyInstance(inst->handle, inst->host_memory);
    }
    free(inst);
}

vkd_result vkd__instance_devices(struct vkd__instance *inst, VkPhysicalDevice **out, uint32_t *count)
{
    VkPhysicalDevice *handles = NULL;
    uint32_t n = 0;
    VkResult vk = inst->vk.EnumeratePhysicalDevices(inst->handle, &n, NULL);
    if (vk >= 0 && n > 0) {
        handles = calloc(n, sizeof(*handles));
        if (!handles) {
            vkd_log_write(&inst->log, VKD_LOG_ERROR, "out of host memory");
            return VKD_NO_MEMORY;
        }
        vk = inst->vk.EnumeratePhysicalDevices(inst->handle, &n, handles);
    }
    if (vk < 0 || n == 0) {
        free(handles);
        vkd_log_write(&inst->log, VKD_LOG_ERROR, "no Vulkan device answers (%s): check the driver's installation "
                      "and the rights on /dev/dri; on Debian mesa-vulkan-drivers also runs on the CPU",
                      vk < 0 ? vkd__vk_text(vk) : "the list is empty");
        return VKD_UNSUPPORTED;
    }
    *out = handles;
    *count = n;
    return VKD_OK;
}
