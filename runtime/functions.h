// functions.h -- the Vulkan functions the runtime uses, by the handle they are loaded from.
//
// Each vkd__instance and vkd_device holds its own table, so contexts on different loaders live side by
// side and no table is shared by threads. The device's is volk's. volk also defines a global pointer
// per function; nothing here uses those, and volk_names.h (made by the build) gives them names that
// cannot collide with the functions of a host that links Vulkan itself.
#ifndef VKD_FUNCTIONS_H
#define VKD_FUNCTIONS_H

#ifndef VK_NO_PROTOTYPES
  #define VK_NO_PROTOTYPES
#endif
#include "volk_names.h"
#include <volk.h>

#define VKD_INSTANCE_FUNCTIONS(X) \
    X(DestroyInstance) X(EnumeratePhysicalDevices) X(EnumerateDeviceExtensionProperties) \
    X(GetPhysicalDeviceProperties) X(GetPhysicalDeviceProperties2) X(GetPhysicalDeviceFeatures2) \
    X(GetPhysicalDeviceMemoryProperties2) X(GetPhysicalDeviceQueueFamilyProperties) \
    X(CreateDevice) X(GetDeviceProcAddr)

// A device without one of these is refused.
#define VKD_DEVICE_FUNCTIONS(X) \
    X(DestroyDevice) X(GetDeviceQueue) X(QueueSubmit) \
    X(AllocateMemory) X(FreeMemory) X(MapMemory) X(UnmapMemory) \
    X(CreateBuffer) X(DestroyBuffer) X(GetBufferMemoryRequirements) X(BindBufferMemory) \
    X(CreateBufferView) X(DestroyBufferView) \
    X(CreateShaderModule) X(DestroyShaderModule) X(CreateComputePipelines) X(DestroyPipeline) \
    X(CreatePipelineLayout) X(DestroyPipelineLayout) \
    X(CreatePipelineCache) X(DestroyPipelineCache) X(GetPipelineCacheData) \
    X(CreateDescriptorSetLayout) X(DestroyDescriptorSetLayout) X(CreateDescriptorPool) \
    X(DestroyDescriptorPool) X(ResetDescriptorPool) X(AllocateDescriptorSets) X(UpdateDescriptorSets) \
    X(CreateCommandPool) X(DestroyCommandPool) X(ResetCommandPool) X(AllocateCommandBuffers) \
    X(BeginCommandBuffer) X(EndCommandBuffer) \
    X(CmdBindPipeline) X(CmdBindDescriptorSets) X(CmdPushConstants) X(CmdDispatch) \
    X(CmdPipelineBarrier) X(CmdCopyBuffer) X(CmdFillBuffer) X(CmdUpdateBuffer) X(CmdExecuteCommands) \
    X(CmdResetQueryPool) X(CmdWriteTimestamp) \
    X(CreateQueryPool) X(DestroyQueryPool) X(GetQueryPoolResults) X(CmdCopyQueryPoolResults) \
    X(CreateSemaphore) X(DestroySemaphore) X(WaitSemaphores) X(GetSemaphoreCounterValue)

#define X(name) PFN_vk##name name;
struct vkd__instance_functions {
    VKD_INSTANCE_FUNCTIONS(X)
};
#undef X

// Fills the table by `get`; functions that the device lacks become NULL.
void vkd__device_table_load(struct VolkDeviceTable *table, PFN_vkGetDeviceProcAddr get, VkDevice device);

#endif
