// facts.h -- what the loader and a driver say of a device, asked directly: for identity, where vkd_caps holds no more than
// training needs.
#ifndef VKD_SELFTEST_FACTS_H
#define VKD_SELFTEST_FACTS_H

#include <vkdiv/device.h>

enum { FACTS_LAYERS = 64, FACTS_QUEUES = 16 };

struct facts {
    uint32_t loader_version;
    VkLayerProperties layers[FACTS_LAYERS];
    uint32_t layer_count;
    VkPhysicalDeviceDriverProperties driver;
    VkPhysicalDeviceMemoryProperties memory;
    VkDeviceSize budget[VK_MAX_MEMORY_HEAPS];   // 0: unknown
    VkQueueFamilyProperties queues[FACTS_QUEUES];
    uint32_t queue_count, extension_count;
    bool budget_known;
};

// Fills *out for the device of that UUID. NULL, or what went wrong.
const char *facts_read(const uint8_t uuid[16], struct facts *out);

#endif
