// device_table.c -- volk's table of device functions, filled without its global pointers.
#ifndef VK_NO_PROTOTYPES
  #define VK_NO_PROTOTYPES
#endif
#include "volk_names.h"
#define VOLK_IMPLEMENTATION     // its loading function is static: this is the file it is visible in
#include <volk.h>

#include "functions.h"

struct source { PFN_vkGetDeviceProcAddr get; VkDevice device; };

static PFN_vkVoidFunction load(void *context, const char *name)
{
    const struct source *s = context;
    return s->get(s->device, name);
}

void vkd__device_table_load(struct VolkDeviceTable *table, PFN_vkGetDeviceProcAddr get, VkDevice device)
{
    struct source s = { get, device };
    volkGenLoadDeviceTable(table, &s, load);
}
