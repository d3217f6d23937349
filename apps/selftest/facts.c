// facts.c -- an instance of its own, without a device: see facts.h.
#include "apps/selftest/facts.h"

#include "runtime/os.h"

#include <stdlib.h>
#include <string.h>

// The functions in use, and the instance.
struct loader {
    PFN_vkGetInstanceProcAddr get;
    VkInstance instance;
    PFN_vkDestroyInstance destroy;
    PFN_vkEnumeratePhysicalDevices devices;
    PFN_vkGetPhysicalDeviceProperties2 properties;
    PFN_vkGetPhysicalDeviceMemoryProperties2 memory;
    PFN_vkGetPhysicalDeviceQueueFamilyProperties queues;
    PFN_vkEnumerateDeviceExtensionProperties extensions;
};

static bool open_instance(struct loader *l, struct facts *out)
{
    l->get = (PFN_vkGetInstanceProcAddr)vkd__os_vulkan_loader();
    if (l->get == NULL)
        return false;
    PFN_vkEnumerateInstanceVersion version = (PFN_vkEnumerateInstanceVersion)l->get(NULL, "vkEnumerateInstanceVersion");
    PFN_vkEnumerateInstanceLayerProperties layers =
        (PFN_vkEnumerateInstanceLayerProperties)l->get(NULL, "vkEnumerateInstanceLayerProperties");
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)l->get(NULL, "vkCreateInstance");
    out->loader_version = VK_API_VERSION_1_0;
    if (version != NULL)
        version(&out->loader_version);
    out->layer_count = FACTS_LAYERS;
    if (layers == NULL || layers(&out->layer_count, out->layers) < 0)
        out->layer_count = 0;
    const VkApplicationInfo app = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VKD_VK_MIN };
    const VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app };
    if (create == NULL || create(&info, NULL, &l->instance) != VK_SUCCESS)
        return false;
    l->destroy = (PFN_vkDestroyInstance)l->get(l->instance, "vkDestroyInstance");
    l->devices = (PFN_vkEnumeratePhysicalDevices)l->get(l->instance, "vkEnumeratePhysicalDevices");
    l->properties = (PFN_vkGetPhysicalDeviceProperties2)l->get(l->instance, "vkGetPhysicalDeviceProperties2");
    l->memory = (PFN_vkGetPhysicalDeviceMemoryProperties2)l->get(l->instance, "vkGetPhysicalDeviceMemoryProperties2");
    l->queues = (PFN_vkGetPhysicalDeviceQueueFamilyProperties)l->get(l->instance, "vkGetPhysicalDeviceQueueFamilyProperties");
    l->extensions = (PFN_vkEnumerateDeviceExtensionProperties)l->get(l->instance, "vkEnumerateDeviceExtensionProperties");
    return l->devices && l->properties && l->memory && l->queues && l->extensions;
}

static VkPhysicalDevice find_device(const struct loader *l, const uint8_t uuid[16], VkPhysicalDeviceDriverProperties *driver)
{
    VkPhysicalDevice all[16];
    uint32_t count = 16;
    if (l->devices(l->instance, &count, all) < 0)
        count = 0;
    for (uint32_t i = 0; i < count; i++) {
        VkPhysicalDeviceDriverProperties d = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES };
        VkPhysicalDeviceIDProperties id = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES, .pNext = &d };
        VkPhysicalDeviceProperties2 p = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &id };
        l->properties(all[i], &p);
        *driver = d;
        driver->pNext = NULL;
        if (memcmp(id.deviceUUID, uuid, VK_UUID_SIZE) == 0)
            return all[i];
    }
    return VK_NULL_HANDLE;
}

static void read_memory(const struct loader *l, VkPhysicalDevice device, struct facts *out)
{
    uint32_t count = 0;
    l->extensions(device, NULL, &count, NULL);
    VkExtensionProperties *all = calloc(count + 1, sizeof *all);
    if (all != NULL && l->extensions(device, NULL, &count, all) >= 0)
        for (uint32_t i = 0; i < count; i++)
            out->budget_known |= strcmp(all[i].extensionName, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME) == 0;
    free(all);
    out->extension_count = count;
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT,
    };
    VkPhysicalDeviceMemoryProperties2 p = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = out->budget_known ? &budget : NULL,
    };
    l->memory(device, &p);
    out->memory = p.memoryProperties;
    memcpy(out->budget, budget.heapBudget, sizeof out->budget);
}

const char *facts_read(const uint8_t uuid[16], struct facts *out)
{
    struct loader l = { 0 };
    const char *why = NULL;
    *out = (struct facts){ 0 };
    if (!open_instance(&l, out)) {
        why = "the loader makes no instance of Vulkan 1.2";
    } else {
        VkPhysicalDevice device = find_device(&l, uuid, &out->driver);
        if (device == VK_NULL_HANDLE) {
            why = "a second instance does not list the device";
        } else {
            read_memory(&l, device, out);
            out->queue_count = FACTS_QUEUES;
            l.queues(device, &out->queue_count, out->queues);
        }
    }
    if (l.destroy != NULL)
        l.destroy(l.instance, NULL);
    return why;
}
