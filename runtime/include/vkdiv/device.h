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
    uint32_t bindings_max;          // storage buffers of one kernel
    uint32_t subgroup_size;         // as advertised
    uint32_t subgroup_size_min, subgroup_size_max;      // powers of two that a kernel can ask for; 0: none
    bool     subgroup_shuffle;      // in compute shaders
    bool     f16_storage, f16_arithmetic;
    bool     int64;                 // 64-bit integers in shaders
    bool     f16_shuffle, int8;     // no kernel of training uses these; false on imported devices
    bool     matrices;              // cooperative ones are advertised: see vkd_device_matrices
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

// Limits and features of a kind of device, to be tested where there is none: the device seems to have no more than these
// (`bindings` are those that vkdiv asks for: see struct vkd_limit), is no CPU driver, and reports this subgroup size,
// whatever its own is. 0 and false: it has none.
struct vkd_profile {
    const char *name, *about;
    uint32_t invocations, local_size[3], groups[3], push, texels, storage_align, texel_align, subgroup_size,
             timestamp_bits, bindings;
    uint64_t shared, storage_range, allocation, buffer;     // bytes
    bool shuffle, f16_storage, f16_arithmetic;
};

// Static rows; NULL past the end, and for an unknown name. Thread-safety: safe.
const struct vkd_profile *vkd_profile_at(uint32_t index);
const struct vkd_profile *vkd_profile_find(const char *name);

// Faults to be injected, so that what follows can be tested. Counted from 1; 0: never.
struct vkd_faults {
    uint64_t memory;                // memory for this buffer and all later ones is refused
    uint64_t map;                   // so is the mapping of this block of memory,
    uint64_t pipeline;              // this pipeline,
    uint64_t pool;                  // this pool of descriptors
    uint64_t submit;                // this submission finds the device lost; all that was submitted before is done
    uint64_t wait;                  // so does this wait for a submission
};

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
    // For the driver's own memory of everything vkdiv creates, or NULL. Copied; what it points to outlives the device.
    const VkAllocationCallbacks *allocator;
    // Of one submission, at most, as far as lists can be parted; 0: a tenth. Drivers reset devices after two and more.
    double submission_seconds;
    const struct vkd_profile *profile;          // NULL: the device as it is
    struct vkd_faults faults;
};

// Creates an instance and a device of its own.
//
//   VKD_INVALID      selector matches no device or several (the log lists them)
//   VKD_UNSUPPORTED  no loader, no driver, or the device lacks something (the log says what)
//   VKD_NO_MEMORY
//
// Thread-safety: safe. The vkd_device itself is not: use it from one thread at a time.
VKD_CHECKED vkd_result vkd_device_create(const struct vkd_device_params *p, vkd_device **out);

// ---- A device of the application's own --------------------------------------------------------

// A feature vkdiv uses. `home` is the structure it is enabled in, or the extension that brings it.
struct vkd_feature {
    const char *name, *home;
    bool required;                  // else: used when enabled
    const char *why;
};

// An extension vkdiv uses.
struct vkd_extension {
    const char *name;
    bool required;                  // where the device has it; else: used when enabled
    const char *why;
};

// A field of VkPhysicalDeviceLimits that must be `least` at least.
struct vkd_limit {
    const char *name;
    uint64_t least;
    const char *why;
};

// What an application should enable, and must find, on a device that vkdiv is to import: static
// arrays of *count rows. Thread-safety: safe.
const struct vkd_feature *vkd_required_features(uint32_t *count);
const struct vkd_extension *vkd_required_extensions(uint32_t *count);
const struct vkd_limit *vkd_required_limits(uint32_t *count);

// The same for one physical device, ready for vkCreateDevice: what of it that device has. The members
// point at each other: do not copy or move the struct. An application with features of its own sets
// them too in `features` and `v11`, `v12`, and chains what else it has behind *tail.
struct vkd_device_wants {
    bool     usable;
    char     why[160];              // why not, or what class of device it is; never empty
    uint32_t queue_family;          // the one vkdiv would take; any that can compute will do
    const char *extensions[8];      // static texts
    uint32_t extension_count;
    VkPhysicalDeviceFeatures2 features;     // for VkDeviceCreateInfo.pNext and vkd_import_params.features
    VkPhysicalDeviceVulkan11Features v11;
    VkPhysicalDeviceVulkan12Features v12;
    VkPhysicalDeviceSubgroupSizeControlFeatures subgroup_size;  // these two are in the chain where the device has them
    VkPhysicalDeviceFaultFeaturesEXT device_fault;
    void   **tail;                  // the last pNext of the chain
};

// Fills *out; `get_proc_addr` is that of the instance's loader. A device that cannot be used is no error.
//
//   VKD_INVALID      a handle is NULL
//   VKD_UNSUPPORTED  the instance is older than Vulkan 1.2
//   VKD_NO_MEMORY
//
// Thread-safety: safe.
VKD_CHECKED vkd_result vkd_device_wants(VkInstance instance, VkPhysicalDevice physical_device,
                                        PFN_vkGetInstanceProcAddr get_proc_addr, const struct vkd_log *log,
                                        struct vkd_device_wants *out);

// Device memory from the application instead of vkAllocateMemory. Both functions or neither; they are called
// from the thread that uses the vkd_device. `allocate` makes a VkDeviceMemory of its own for each call (vkdiv maps
// it whole, and suballocates); an error is answered as the driver's would be. `release` gets what `allocate` made,
// unmapped, with its size in bytes.
struct vkd_memory_source {
    VkResult (*allocate)(void *user, const VkMemoryAllocateInfo *info, VkDeviceMemory *out);
    void (*release)(void *user, VkDeviceMemory memory, uint64_t size);
    void *user;
};

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

    // Compiled pipelines: the application's own cache object, which stays its own and must not be externally
    // synchronised; or bytes that vkd_device_cache_data gave earlier (borrowed for the call; those of another driver
    // are ignored, with a message); or a folder, as in vkd_device_params. One of the three, or none.
    VkPipelineCache pipeline_cache;
    const void *cache_data;
    uint64_t cache_size;                        // bytes
    const char *cache_dir;

    const VkAllocationCallbacks *allocator;     // as in vkd_device_params
    double submission_seconds;                  // as in vkd_device_params
    struct vkd_memory_source memory;            // all zero: the driver's
    struct vkd_faults faults;                   // as in vkd_device_params
};

// Wraps an existing VkDevice. On success *out owns everything vkdiv allocates on it; on failure
// *out is NULL and nothing is left behind.
//
//   VKD_INVALID      a required field is missing, fields contradict, or the queue family cannot compute or has
//                    no queue of that index
//   VKD_UNSUPPORTED  a feature vkdiv requires was not enabled, a limit is too low (the log names it)
//   VKD_NO_MEMORY
//
// Thread-safety: safe, also several times for one VkDevice: the vkd_devices may then be used from
// different threads, if lock_queue and unlock_queue of all guard the queues they share.
VKD_CHECKED vkd_result vkd_device_import(const struct vkd_import_params *p, vkd_device **out);

// Waits until what vkdiv submitted is done, frees what it owns, sets *dev to NULL. NULL is fine. Every buffer
// and command list of *dev must be gone already, and command buffers of the application that vkdiv recorded
// into must have run. An imported VkDevice, its queues and its pipeline cache are left alone.
//
// Thread-safety: that of the device.
void vkd_device_destroy(vkd_device **dev);

// Writes the compiled pipelines to cache_dir now, if there is one and they changed. vkd_device_destroy
// does so too; a program that may be killed calls it when its first work is done. Failure is a warning.
//
// Thread-safety: that of the device.
void vkd_device_save_cache(vkd_device *dev);

// The compiled pipelines as bytes for the next vkd_import_params.cache_data: *data is malloc'd and the caller's.
//
//   VKD_NO_MEMORY, VKD_DEVICE_LOST
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_device_cache_data(vkd_device *dev, void **data, uint64_t *size);

// The capabilities; valid as long as `dev`. Thread-safety: safe.
const struct vkd_caps *vkd_device_caps(const vkd_device *dev);

// A product that the device's matrix units do at once: (m, k) of type `a` times (k, n) of type `b`, plus `c`.
struct vkd_matrix_shape {
    uint32_t m, n, k;
    const char *a, *b, *c, *result;     // "f16", "f32", "i8", "u8", ...; "other": what Vulkan of 2023 does not name
    bool     subgroup;                  // the invocations of a subgroup work on it; else of a workgroup
};

// What the driver advertises of them (VK_KHR_cooperative_matrix, else VK_NV_cooperative_matrix): *shapes is malloc'd, for
// free(), and *count may be 0. Some drivers crash when they are asked: `vkdiv selftest` asks from a process of its own.
//
//   VKD_UNSUPPORTED  the driver refuses to tell
//   VKD_NO_MEMORY
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_device_matrices(vkd_device *dev, struct vkd_matrix_shape **shapes, uint32_t *count);

// The log `dev` was created with. Thread-safety: safe.
const struct vkd_log *vkd_device_log(const vkd_device *dev);

// The last error's whole text (call, place, VkResult, what to do); "" when there was none. It holds until the
// next error. Thread-safety: that of the device.
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
// Thread-safety: that of the device.
struct vkd_device_stats vkd_device_stats(const vkd_device *dev);

VKD_END
#endif
