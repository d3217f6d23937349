// fault.c -- what a driver knows of why the device was lost (VK_EXT_device_fault), in the log; faults that are asked for.
#include <inttypes.h>
#include <stdlib.h>

#include "internal.h"

enum { ROWS_MAX = 32 };     // a driver may have thousands; the first are those that matter

static const char *address_text(VkDeviceFaultAddressTypeEXT type)
{
    switch (type) {
    case VK_DEVICE_FAULT_ADDRESS_TYPE_READ_INVALID_EXT:    return "a read that was not allowed";
    case VK_DEVICE_FAULT_ADDRESS_TYPE_WRITE_INVALID_EXT:   return "a write that was not allowed";
    case VK_DEVICE_FAULT_ADDRESS_TYPE_EXECUTE_INVALID_EXT: return "execution that was not allowed";
    case VK_DEVICE_FAULT_ADDRESS_TYPE_INSTRUCTION_POINTER_UNKNOWN_EXT:
    case VK_DEVICE_FAULT_ADDRESS_TYPE_INSTRUCTION_POINTER_INVALID_EXT:
    case VK_DEVICE_FAULT_ADDRESS_TYPE_INSTRUCTION_POINTER_FAULT_EXT:
        return "the instruction that ran";
    default:
        return "an address";
    }
}

bool vkd__fault_refuses(uint64_t at, uint64_t *met)
{
    return at && ++*met >= at;
}

void vkd__fault_log(vkd_device *dev)
{
    PFN_vkGetDeviceFaultInfoEXT get = dev->vk.vkGetDeviceFaultInfoEXT;
    VkDeviceFaultAddressInfoEXT addresses[ROWS_MAX];
    VkDeviceFaultVendorInfoEXT vendor[ROWS_MAX];
    VkDeviceFaultCountsEXT counts = { .sType = VK_STRUCTURE_TYPE_DEVICE_FAULT_COUNTS_EXT };
    VkDeviceFaultInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_FAULT_INFO_EXT, .pAddressInfos = addresses, .pVendorInfos = vendor,
    };
    if (!dev->facts.device_fault || !get || get(dev->handle, &counts, NULL) < 0)
        return;
    counts.addressInfoCount = counts.addressInfoCount < ROWS_MAX ? counts.addressInfoCount : ROWS_MAX;
    counts.vendorInfoCount = counts.vendorInfoCount < ROWS_MAX ? counts.vendorInfoCount : ROWS_MAX;
    counts.vendorBinarySize = 0;
    if (get(dev->handle, &counts, &info) < 0)       // VK_INCOMPLETE, which is above 0, fills what there is room for
        return;
    vkd_log_write(&dev->log, VKD_LOG_ERROR, "what its driver says of that: %.256s", info.description);
    for (uint32_t i = 0; i < counts.addressInfoCount; i++) {
        uint64_t unit = addresses[i].addressPrecision > 1 ? addresses[i].addressPrecision : 1;
        uint64_t from = addresses[i].reportedAddress & ~(unit - 1);     // the unit is a power of two
        vkd_log_write(&dev->log, VKD_LOG_ERROR, "  %s, at 0x%" PRIx64 " to 0x%" PRIx64,
                      address_text(addresses[i].addressType), from, from + (unit - 1));
    }
    for (uint32_t i = 0; i < counts.vendorInfoCount; i++)
        vkd_log_write(&dev->log, VKD_LOG_ERROR, "  %.256s: code 0x%" PRIx64 ", data 0x%" PRIx64, vendor[i].description,
                      vendor[i].vendorFaultCode, vendor[i].vendorFaultData);
}
