// device_list.c -- which devices there are, and which one a selector means.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static int rank(const struct vkd_device_row *row)
{
    switch (row->caps.type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:   return 4;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return 3;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:    return 2;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:            return 0;
    default:                                     return 1;
    }
}

// Of two devices of one class the one with more memory is taken, then the first.
static int best_row(const struct vkd_device_row *rows, uint32_t count)
{
    int best = -1;
    for (uint32_t i = 0; i < count; i++) {
        if (!rows[i].usable)
            continue;
        if (best < 0 || rank(&rows[i]) > rank(&rows[best])
            || (rank(&rows[i]) == rank(&rows[best]) && rows[i].caps.memory_size > rows[best].caps.memory_size))
            best = (int) i;
    }
    return best;
}

static bool contains(const char *text, const char *part)
{
    size_t n = strlen(part);
    for (; *text; text++) {
        size_t i = 0;
        while (i < n && tolower((unsigned char) text[i]) == tolower((unsigned char) part[i]))
            i++;
        if (i == n)
            return true;
    }
    return false;
}

static bool uuid_begins(const uint8_t uuid[16], const char *prefix)
{
    char hex[33];
    size_t n = 0;
    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", uuid[i]);
    for (; *prefix; prefix++) {
        if (*prefix == '-')
            continue;
        if (n >= 32 || hex[n] != tolower((unsigned char) *prefix))
            return false;
        n++;
    }
    return n >= 4;
}

static void log_rows(const struct vkd_log *log, const struct vkd_device_row *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *u = rows[i].caps.uuid;
        vkd_log_write(log, VKD_LOG_ERROR, "  %u: %s (uuid %02x%02x%02x%02x...): %s", i, rows[i].caps.name,
                      u[0], u[1], u[2], u[3], rows[i].why);
    }
}

vkd_result vkd__device_select(const struct vkd_log *log, const char *selector,
                              const struct vkd_device_row *rows, uint32_t count, int *index)
{
    if (!selector || !*selector) {
        *index = best_row(rows, count);
        if (*index >= 0)
            return VKD_OK;
        vkd_log_write(log, VKD_LOG_ERROR, "none of the Vulkan devices can be used:");
        log_rows(log, rows, count);
        return VKD_UNSUPPORTED;
    }
    size_t digits = strspn(selector, "0123456789");
    bool is_index = digits < 4 && selector[digits] == 0;    // longer numbers may begin a UUID
    int found = -1;
    uint32_t matches = 0;
    if (is_index && strtoul(selector, NULL, 10) < count) {
        found = (int) strtoul(selector, NULL, 10);
        matches = 1;
    }
    for (uint32_t i = 0; !is_index && i < count; i++) {
        if (uuid_begins(rows[i].caps.uuid, selector)) {
            found = (int) i;
            matches++;
        }
    }
    for (uint32_t i = 0, by_uuid = matches; !is_index && !by_uuid && i < count; i++) {
        if (contains(rows[i].caps.name, selector) || contains(rows[i].caps.driver_name, selector)) {
            found = (int) i;
            matches++;
        }
    }
    if (matches != 1) {
        vkd_log_write(log, VKD_LOG_ERROR, "device '%s' matches %s; give an index, a longer part of the name or 4 "
                      "digits of the uuid of one of:", selector, matches ? "several devices" : "no device");
        log_rows(log, rows, count);
        return VKD_INVALID;
    }
    *index = found;
    return VKD_OK;
}

vkd_result vkd__device_rows(struct vkd__instance *inst, VkPhysicalDevice **handles,
                            struct vkd_device_row **rows, uint32_t *count)
{
    VkPhysicalDevice *pds = NULL;
    uint32_t n = 0;
    vkd_result result = vkd__instance_devices(inst, &pds, &n);
    if (result != VKD_OK)
        return result;
    struct vkd_device_row *list = calloc(n, sizeof(*list));
    if (!list) {
        vkd_log_write(&inst->log, VKD_LOG_ERROR, "out of host memory");
        result = VKD_NO_MEMORY;
        goto fail;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct vkd__facts facts;
        TRY(vkd__caps_read(inst, pds[i], &list[i].caps, &facts));
        list[i].index = i;
        list[i].usable = vkd__caps_usable(&list[i].caps, &facts, list[i].why, sizeof(list[i].why));
    }
    *handles = pds;
    *rows = list;
    *count = n;
    return VKD_OK;

fail:
    free(list);
    free(pds);
    return result;
}

vkd_result vkd_device_list(const struct vkd_log *log, const char *selector,
                           struct vkd_device_row **rows, uint32_t *count, int *selected)
{
    struct vkd__instance *inst = NULL;
    VkPhysicalDevice *handles = NULL;
    vkd_result result = vkd__instance_create(log, false, NULL, &inst);
    if (result != VKD_OK)
        return result;
    struct vkd_device_row *list = NULL;
    uint32_t n = 0;
    result = vkd__device_rows(inst, &handles, &list, &n);
    if (result == VKD_OK) {
        int index = -1;
        const struct vkd_log quiet = { 0 };         // -1 says it all
        if (vkd__device_select(&quiet, selector, list, n, &index) != VKD_OK || !list[index].usable)
            index = -1;
        *rows = list;
        *count = n;
        *selected = index;
    }
    free(handles);
    vkd__instance_destroy(&inst);
    return result;
}
