// device.h -- finding, creating and importing Vulkan devices, and what a device can do.
#ifndef VKDIV_DEVICE_H
#define VKDIV_DEVICE_H

#include <vkdiv/base.h>
#include <vulkan/vulkan_core.h>

VKD_BEGIN

#define VKD_VK_MIN VK_API_VERSION_1_2   // the lowest device version vkdiv accepts

typedef struct vkd_device vkd_device;

// What one device is and can do; read once, constant afterwards. Sizes are bytes.
struct vkd_caps {
    char     name[256];             // VkPhysicalDeviceProperties.deviceName
    char     driver_name[256];      // "llvmpipe", "radv", ...
    char     driver_info[256];      // version text of the driver
    uint8_t  uuid[16];              // deviceUUID
    uint8_t  driver_uuid[16];
    uint32_t vendor_id, device_id, driver_version, api_version;
    VkPhysicalDeviceType type;
    bool     cpu;                   // a CPU driver: kernels without shared memory win there

    uint64_t memory_size;           // of the heap tensors live in
    uint64_t memory_budget;         // what is free there now (VK_EXT_memory_budget), else memory_size
    uint64_t allocation_max;        // largest single allocation
    uint64_t storage_range_max;     // largest storage buffer binding
    uint32_t storage_align;         // offsets of storage bindings; a multiple of 4
    uint32_t texel_align;           // offsets of texel views; 16 at least
    uint32_t texel_count_max;       // texels of one view

    uint32_t group_count_max[3];
    uint32_t local_size_max[3];
    uint32_t invocations_max;       // per workgroup
    uint32_t shared_size_max;
    uint32_t push_size_max;
    uint32_t subgroup_size;         // as advertised
    bool     subgroup_shuffle;      // in compute shaders
    bool     f16_storage, f16_arithmetic;
    double   timestamp_ns;          // per tick; 0 when the queue has no timestamps
    uint32_t timestamp_bits;
};

// One row of what the loader finds, usable or not.
struct vkd_device_row {
    uint32_t index;                 // what vkd_device_params.selector may name
    struct vkd_caps caps;
    bool     usable;
    char     why[160];              // why not, or why it would be preferred; never empty
};

// Lists every physical device the loader finds, in the loader's order. On success *rows is a
// malloc'd array of *count entries that the caller frees; *selected is the index that
// vkd_device_create would take for `selector` (NULL: the best), or -1.
//
//   VKD_UNSUPPORTED  no Vulkan loader, or no driver answers (the log says what to install)
//
// Thread-safety: safe.
VKD_CHECKED vkd_result vkd_device_list(const struct vkd_log *log, const char *selector,
                                       struct vkd_device_row **rows, uint32_t *count, int *selected);

struct vkd_device_params {
    // An index, a UUID prefix (4 hex digits or more), or a part of the name, case ignored. NULL:
    // discrete, then integrated, then a CPU driver, which is announced in the log.
    const char *selector;
    struct vkd_log log;
    // The Khronos validation layer with synchronisation validation; its messages go to the log as
    // errors and are counted. VKD_UNSUPPORTED when the layer is missing.
    bool validation;
    // Folder for compiled pipelines, or NULL for none. A file from there is used only when
    // its header, length, hash, device UUID and driver version are right.
    const char *cache_dir;
};

// Creates an instance and a device of its own.
//
//   VKD_INVALID      selector matches no device or several (the log lists them)
//   VKD_UNSUPPORTED  no loader, no driver, or the device lacks something (the log says what)
//   VKD_NO_MEMORY
//
// Thread-safety: safe. The vkd_device itself is not: use it from one thread at a time.
VKD_CHECKED vkd_result vkd_device_create(const struct vkd_device_params *p, vkd_device **out);

// A feature vkdiv uses. `home` is the structure it is enabled in, or the extension that brings it.
struct vkd_feature {
    const char *name, *home;
    bool required;                  // else: used when enabled
    const char *why;
};

// What an application should enable on a device that vkdiv is to import: a static array of *count
// rows. Thread-safety: safe.
const struct vkd_feature *vkd_required_features(uint32_t *count);

// How to wrap a VkDevice that the application already owns. Zero-initialise, then set the fields
// marked required. Handles are borrowed: they must outlive the vkd_device, which never destroys
// them.
struct vkd_import_params {
    VkInstance       instance;                  // required; apiVersion >= VKD_VK_MIN
    VkPhysicalDevice physical_device;           // required
    VkDevice         device;                    // required; see vkd_required_features
    PFN_vkGetInstanceProcAddr get_proc_addr;    // required; vkdiv never links the loader

    // The queue vkdiv submits to. The family must support compute.
    uint32_t queue_family, queue_index;

    // Called around every queue operation when the queue is shared. Both or neither.
    void (*lock_queue)(void *user);
    void (*unlock_queue)(void *user);
    void *user;

    // What the application enabled. NULL means nothing optional: vkdiv then uses the paths that
    // need nothing. Borrowed for the duration of the call.
    const char *const *extensions;
    uint32_t extension_count;
    const VkPhysicalDeviceFeatures2 *features;

    struct vkd_log log;
    const char *cache_dir;                      // as in vkd_device_params
};

// Wraps an existing VkDevice. On success *out owns everything vkdiv allocates on it; on failure
// *out is NULL and nothing is left behind.
//
//   VKD_INVALID      a required field is missing, or the queue family cannot compute
//   VKD_UNSUPPORTED  a feature vkdiv requires was not enabled (the log names it)
//   VKD_NO_MEMORY
//
// Thread-safety: safe.
VKD_CHECKED vkd_result vkd_device_import(const struct vkd_import_params *p, vkd_device **out);

// Waits until the device is idle, frees what vkdiv owns, sets *dev to NULL. NULL is fine. Every
// buffer and command list of *dev must be gone already.
void vkd_device_destroy(vkd_device **dev);

// Writes the compiled pipelines to cache_dir now, if there is one and they changed. vkd_device_destroy
// does so too; a program that may be killed calls it when its first work is done. Failure is a warning.
//
// Thread-safety: that of the device.
void vkd_device_save_cache(vkd_device *dev);

// The capabilities; valid as long as `dev`. Thread-safety: safe.
const struct vkd_caps *vkd_device_caps(const vkd_device *dev);

// The log `dev` was created with. Thread-safety: safe.
const struct vkd_log *vkd_device_log(const vkd_device *dev);

// The last error's whole text (call, place, VkResult, what to do); "" when there was none.
const char *vkd_device_last_error(const vkd_device *dev);

// What `dev` has done since it was made; a steady-state loop leaves the first four unchanged.
struct vkd_device_stats {
    uint64_t memory_allocations;    // vkAllocateMemory calls so far
    uint64_t buffers;               // buffers created so far
    uint64_t pipelines;             // pipelines created so far
    uint64_t descriptor_sets;       // descriptor sets allocated so far
    uint64_t submissions;
    uint64_t waits;                 // times the host waited for work that was not known to be done
    uint64_t memory_used;           // bytes held from the driver now
    uint64_t validation_messages;
};
struct vkd_device_stats vkd_device_stats(const vkd_device *dev);

VKD_END
#endif
