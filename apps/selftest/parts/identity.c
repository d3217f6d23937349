// identity.c -- which device, driver, loader, memory and machine it is: what the other results are of.
#include "apps/selftest/facts.h"
#include "apps/selftest/selftest.h"

#include "runtime/os.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

// The text after "KEY:" of the first such line of a file of /proc or "KEY=" of os-release; "" without one.
static void line_of(const char *path, const char *key, char *text, size_t size)
{
    char line[512];
    FILE *f = fopen(path, "r");
    text[0] = 0;
    while (f != NULL && text[0] == 0 && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0) {
            const char *from = line + strlen(key);
            from += strspn(from, " \t:=\"");
            snprintf(text, size, "%.*s", (int)strcspn(from, "\"\n"), from);
        }
    if (f != NULL)
        fclose(f);
}

static void system_text(char *text, size_t size)
{
    char name[128];
    struct utsname u;
    line_of("/etc/os-release", "PRETTY_NAME", name, sizeof name);
    if (uname(&u) != 0)
        snprintf(text, size, "%s", name);
    else
        snprintf(text, size, "%s%s%s %.*s %s", name, name[0] ? ", " : "", u.sysname, (int)strcspn(u.release, "-"), u.release,
                 u.machine);
}

static void device(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    const struct vkd_caps *c = vkd_device_caps(t->dev);
    char text[512], id[32];
    selftest_text(t, "name", c->name);
    selftest_text(t, "type", app_device_type(c));
    selftest_text(t, "driver", c->driver_name);
    selftest_text(t, "driver_info", c->driver_info);
    selftest_text(t, "api", app_api_version(text, c->api_version));
    snprintf(id, sizeof id, "0x%04x", c->vendor_id);
    selftest_text(t, "vendor_id", id);
    snprintf(id, sizeof id, "0x%04x", c->device_id);
    selftest_text(t, "device_id", id);
    snprintf(id, sizeof id, "0x%08x", c->driver_version);
    selftest_text(t, "driver_version", id);
    selftest_text(t, "uuid", app_uuid(text, c->uuid));
    system_text(text, sizeof text);
    selftest_text(t, "os", text);
    selftest_say(t, SELFTEST_PASS, "%s, %s, %s %s, Vulkan %u.%u.%u", c->name, app_device_type(c), c->driver_name, c->driver_info,
                 VK_API_VERSION_MAJOR(c->api_version), VK_API_VERSION_MINOR(c->api_version),
                 VK_API_VERSION_PATCH(c->api_version));
}

static bool facts_of(struct selftest_run *t, struct facts *f)
{
    const char *why = facts_read(vkd_device_caps(t->dev)->uuid, f);
    if (why != NULL)
        selftest_say(t, SELFTEST_FAIL, "%s", why);
    return why == NULL;
}

static void driver(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    struct facts f;
    char text[2048] = "";
    if (!facts_of(t, &f))
        return;
    for (uint32_t i = 0; i < f.layer_count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", used > 0 ? ", " : "", f.layers[i].layerName);
    }
    const VkConformanceVersion v = f.driver.conformanceVersion;
    selftest_number(t, "driver_id", f.driver.driverID);
    selftest_number(t, "extensions", f.extension_count);
    selftest_text(t, "layers", text);
    selftest_text(t, "loader", app_api_version(text, f.loader_version));
    selftest_say(t, SELFTEST_PASS, "driver id %d, conformant to %u.%u.%u.%u, %u extensions; loader %s, %u layers",
                 (int)f.driver.driverID, v.major, v.minor, v.subminor, v.patch, f.extension_count, text, f.layer_count);
}

static void memory(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    struct facts f;
    char text[512] = "", size[24], left[24], key[32];
    if (!facts_of(t, &f))
        return;
    for (uint32_t i = 0; i < f.memory.memoryHeapCount; i++) {
        const VkMemoryHeap *h = &f.memory.memoryHeaps[i];
        size_t used = strlen(text);
        bool mapped = false;
        for (uint32_t k = 0; k < f.memory.memoryTypeCount; k++)
            mapped |= f.memory.memoryTypes[k].heapIndex == i &&
                      (f.memory.memoryTypes[k].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0;
        snprintf(text + used, sizeof text - used, "%sheap %u: %s%s%s", used > 0 ? "; " : "", i,
                 app_bytes(size, (double)h->size), h->flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT ? ", device" : "",
                 mapped ? ", mapped" : "");
        snprintf(key, sizeof key, "heap%u_bytes", i);
        selftest_number(t, key, (double)h->size);
        if (f.budget_known) {
            used = strlen(text);
            snprintf(text + used, sizeof text - used, ", %s free", app_bytes(left, (double)f.budget[i]));
            snprintf(key, sizeof key, "heap%u_budget", i);
            selftest_number(t, key, (double)f.budget[i]);
        }
    }
    selftest_say(t, f.budget_known ? SELFTEST_PASS : SELFTEST_FALLBACK, "%s%s", text,
                 f.budget_known ? "" : "; no VK_EXT_memory_budget: what is free is not known, and plans go by the heap's size");
}

static void queues(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    struct facts f;
    char text[512] = "";
    if (!facts_of(t, &f))
        return;
    for (uint32_t i = 0; i < f.queue_count; i++) {
        const VkQueueFamilyProperties *q = &f.queues[i];
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%sfamily %u: %u of%s%s%s, %u bits of timestamps", used > 0 ? "; " : "", i,
                 q->queueCount, q->queueFlags & VK_QUEUE_GRAPHICS_BIT ? " graphics" : "",
                 q->queueFlags & VK_QUEUE_COMPUTE_BIT ? " compute" : "",
                 q->queueFlags & VK_QUEUE_TRANSFER_BIT ? " transfer" : "", q->timestampValidBits);
    }
    selftest_number(t, "families", f.queue_count);
    selftest_say(t, SELFTEST_PASS, "%s", text);
}

static void host(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    char cpu[128], text[512], size[24];
    line_of("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    system_text(text, sizeof text);
    selftest_text(t, "os", text);
    selftest_text(t, "cpu", cpu);
    selftest_number(t, "processors", vkd__os_cpu_count());
    selftest_say(t, SELFTEST_PASS, "%s; %s, %u processors, %s free", text, cpu[0] ? cpu : "unknown processor", vkd__os_cpu_count(),
                 app_bytes(size, (double)vkd__os_memory_free()));
}

static const struct selftest_probe probes[] = {
    { .name = "device", .about = "device and driver", .run = device },
    { .name = "driver", .about = "driver id, conformance, loader, layers", .run = driver },
    { .name = "memory", .about = "heaps, and what is free of them", .run = memory },
    { .name = "queues", .about = "queue families", .run = queues },
    { .name = "host", .about = "operating system and processor", .run = host, .no_device = true },
};

const struct selftest_part selftest_part_identity = {
    .name = "identity", .title = "Identity", .place = 10, .probes = probes, .count = sizeof probes / sizeof probes[0],
};
