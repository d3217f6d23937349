// internal.h -- what the files of runtime/ share.
#ifndef VKD_INTERNAL_H
#define VKD_INTERNAL_H

#include <stdatomic.h>

#include "functions.h"
#include "os.h"
#include <vkdiv/embed.h>

enum { VKD_BINDING_MAX = 16, VKD_STAMP_MAX = 256, VKD_SLOT_COUNT = 2, VKD_EXTENSION_MAX = 8 };
enum { VKD__STORAGE_BINDINGS = 8 };     // the most that any kernel has; a test looks

// ---- Errors -----------------------------------------------------------------------------------

// Calls a Vulkan function; on an error logs call, place and VkResult, sets `result`, goes to fail.
#define VK(dev, call)                                                               \
    do {                                                                            \
        VkResult vk_ = (call);                                                      \
        if (vk_ < 0) {                                                              \
            result = vkd__vk_failed((dev), vk_, #call, __FILE__, __LINE__);         \
            goto fail;                                                              \
        }                                                                           \
    } while (0)

// The same for a result that was looked at before: `name` is the function's, without vk.
#define VK_AS(dev, vk, name)                                                        \
    do {                                                                            \
        if ((vk) < 0) {                                                             \
            result = vkd__vk_failed((dev), (vk), #name, __FILE__, __LINE__);        \
            goto fail;                                                              \
        }                                                                           \
    } while (0)

// Passes an error of our own up: it has been logged where it arose.
#define TRY(call)                       \
    do {                                \
        result = (call);                \
        if (result != VKD_OK)           \
            goto fail;                  \
    } while (0)

// Keeps the text as the device's last error, logs it and returns `r`.
vkd_result vkd__fail(vkd_device *dev, vkd_result r, const char *format, ...) VKD_PRINTF(3, 4);
vkd_result vkd__vk_failed(vkd_device *dev, VkResult vk, const char *call, const char *file, int line);
vkd_result vkd__vk_result(VkResult vk);
const char *vkd__vk_text(VkResult vk);
// VKD_DEVICE_LOST once the device is lost.
VKD_CHECKED vkd_result vkd__device_check(vkd_device *dev);

// Logs what the driver tells of a loss, where it can (fault.c).
void vkd__fault_log(vkd_device *dev);
// Counts in *met; true from the `at`-th time on, which the application wants to fail.
bool vkd__fault_refuses(uint64_t at, uint64_t *met);

// Grows a malloc'd array so that it holds `count` elements of `size` bytes. False: no memory.
bool vkd__reserve(void *array, uint32_t *capacity, uint32_t count, size_t size);

// ---- Instance (instance.c) --------------------------------------------------------------------

struct vkd__instance {
    VkInstance handle;
    PFN_vkGetInstanceProcAddr get;
    struct vkd__instance_functions vk;
    struct vkd_log log;
    const VkAllocationCallbacks *host_memory;   // the application's, or NULL
    bool owned;
    VkDebugUtilsMessengerEXT messenger;
    atomic_uint_fast64_t messages;      // from the validation layer
};

VKD_CHECKED vkd_result vkd__instance_create(const struct vkd_log *log, bool validation,
                                            const VkAllocationCallbacks *host_memory, struct vkd__instance **out);
VKD_CHECKED vkd_result vkd__instance_import(const struct vkd_import_params *p, struct vkd__instance **out);
void vkd__instance_destroy(struct vkd__instance **inst);
// malloc'd handles of the instance's physical devices.
VKD_CHECKED vkd_result vkd__instance_devices(struct vkd__instance *inst, VkPhysicalDevice **out, uint32_t *count);

// ---- Capabilities (caps.c) --------------------------------------------------------------------

enum vkd__matrices { VKD__MATRICES_NONE, VKD__MATRICES_KHR, VKD__MATRICES_NV };

// What the runtime alone needs to know of a device.
struct vkd__facts {
    VkPhysicalDeviceMemoryProperties memory;
    bool     timeline;
    bool     memory_budget;         // VK_EXT_memory_budget
    bool     subgroup_control;      // a required size can be asked for ...
    bool     full_subgroups;        // ... and full subgroups too
    bool     device_fault;          // VK_EXT_device_fault
    enum vkd__matrices matrices;    // whose cooperative matrices are advertised
    uint32_t subgroups_max;         // of a required size, per workgroup
    VkSubgroupFeatureFlags subgroup_ops;        // in compute shaders
    uint32_t allocation_count_max;
    uint64_t buffer_size_max;
    uint8_t  cache_uuid[VK_UUID_SIZE];          // pipelineCacheUUID
    uint32_t queue_family;          // the best for compute, UINT32_MAX when there is none
    const char *extensions[VKD_EXTENSION_MAX];  // wanted and present
    uint32_t extension_count;
    const struct vkd_limit *limit;  // the first that is too low, or NULL
    uint64_t limit_found;
};

VKD_CHECKED vkd_result vkd__caps_read(struct vkd__instance *inst, VkPhysicalDevice pd, struct vkd_caps *caps,
                                      struct vkd__facts *facts);
// Takes away what the application of an imported device has not enabled.
void vkd__caps_restrict(const struct vkd_import_params *p, struct vkd_caps *caps, struct vkd__facts *facts);
// What vkd_device_wants tells, of a device whose caps and facts are known.
void vkd__caps_wants(const struct vkd_caps *caps, const struct vkd__facts *facts, struct vkd_device_wants *out);
// Fills `timestamp_*` for the queue in use; false when its family cannot compute or has no such queue.
bool vkd__caps_queue(struct vkd__instance *inst, VkPhysicalDevice pd, uint32_t family, uint32_t index,
                     struct vkd_caps *caps);
// Why the device cannot be used (false) or what class it is.
bool vkd__caps_usable(const struct vkd_caps *caps, const struct vkd__facts *facts, char *why, size_t size);
// Makes the device seem to be of another kind (profile.c).
void vkd__profile_apply(const struct vkd_profile *p, struct vkd_caps *caps, struct vkd__facts *facts);
// What is free in a heap for this process, at most its size.
uint64_t vkd__caps_heap_free(struct vkd__instance *inst, VkPhysicalDevice pd, const struct vkd__facts *facts,
                             uint32_t heap, uint64_t held);

// ---- Device list (device_list.c) --------------------------------------------------------------

// The index in `rows` that `selector` names, in *index.
VKD_CHECKED vkd_result vkd__device_select(const struct vkd_log *log, const char *selector,
                                          const struct vkd_device_row *rows, uint32_t count, int *index);
VKD_CHECKED vkd_result vkd__device_rows(struct vkd__instance *inst, VkPhysicalDevice **handles,
                                        struct vkd_device_row **rows, uint32_t *count);

// ---- Memory (memory.c) ------------------------------------------------------------------------

struct vkd__hole { uint64_t ofs, size; };

// One VkDeviceMemory and the free parts of it, sorted by offset, never adjacent.
struct vkd__block {
    VkDeviceMemory handle;
    uint64_t size;
    uint32_t type;
    uint8_t *data;          // mapped, or NULL
    struct vkd__hole *holes;
    uint32_t hole_count, hole_capacity;
    bool own;               // made for one request
};

struct vkd__memory {
    struct vkd__block **blocks;
    uint32_t count, capacity;
    uint64_t heap_held[VK_MAX_MEMORY_HEAPS];
};

struct vkd__allocation {
    struct vkd__block *block;
    uint64_t ofs, size;
};

VKD_CHECKED vkd_result vkd__memory_take(vkd_device *dev, const VkMemoryRequirements *req, enum vkd_memory kind,
                                        struct vkd__allocation *out);
void vkd__memory_give(vkd_device *dev, struct vkd__allocation *a);
void vkd__memory_finish(vkd_device *dev);

// ---- Buffers (buffer.c) -----------------------------------------------------------------------

struct vkd__view { uint64_t ofs, size; uint32_t texel_size; VkBufferView handle; };

struct vkd_buffer {
    vkd_device *dev;
    VkBuffer handle;
    uint64_t base, size;        // base: where it begins in the application's VkBuffer; 0 in our own
    VkBufferUsageFlags usage;
    bool wrapped;               // the application's
    enum vkd_memory memory;
    struct vkd__allocation allocation;
    void *data;
    struct vkd__view *views;
    uint32_t view_count, view_capacity;
};

void vkd__buffer_free(vkd_device *dev, vkd_buffer *buf);
// The texel view of a part of its VkBuffer, made on first use: texels of 16 bytes are four f32, those of 8 two u32.
VKD_CHECKED vkd_result vkd__buffer_view(vkd_device *dev, vkd_buffer *buf, uint64_t ofs, uint64_t size,
                                       uint32_t texel_size, VkBufferView *out);

// Two slots in each direction, so that the host copies one while the device copies the other.
struct vkd__staging {
    vkd_buffer *up, *down;
    vkd_commands *lists[VKD_SLOT_COUNT];
    uint64_t tickets[VKD_SLOT_COUNT];
};
void vkd__staging_finish(vkd_device *dev);

// ---- Kernels (spirv.c, kernel.c, pipeline_cache.c) ----------------------------------------------

enum vkd__binding_kind { VKD__BINDING_NONE, VKD__BINDING_STORAGE, VKD__BINDING_TEXEL };

struct vkd__binding {
    uint8_t kind, texel_size;   // texel_size: see vkd__buffer_view
    bool reads, writes;
};

// What a compute module says of itself.
struct vkd__module {
    struct vkd__binding bindings[VKD_BINDING_MAX];
    uint32_t binding_count;
    uint32_t push_size;
    uint32_t local_size[3];
    uint32_t shared_size;
    uint32_t capabilities[32];
    uint32_t capability_count;
    uint32_t spec_count;        // specialisation constants: their highest id + 1
};

// Reads a module under the given specialisation. VKD_FORMAT with `why` when it is not a compute
// module of the kind vkdiv writes.
VKD_CHECKED vkd_result vkd__spirv_read(const uint32_t *words, size_t size, const uint32_t *spec, uint32_t spec_count,
                                       struct vkd__module *out, char *why, size_t why_size);

struct vkd_kernel {
    struct vkd_kernel_params params;    // .name is kept below
    char name[64];
    struct vkd__module module;
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkPipeline pipeline;
};
void vkd__kernels_finish(vkd_device *dev);

// Where compiled pipelines come from: the application's cache, its bytes, or a folder. All may be NULL.
struct vkd__cache_source {
    VkPipelineCache handle;
    const void *data;
    uint64_t size;
    const char *dir;
};
VKD_CHECKED vkd_result vkd__pipeline_cache_open(vkd_device *dev, const struct vkd__cache_source *from);
void vkd__pipeline_cache_close(vkd_device *dev);

// ---- Barriers (sync.c) ------------------------------------------------------------------------

struct vkd__use {
    VkBuffer buffer;
    uint64_t ofs, end;
    bool reads, writes;
};

// The ranges used since the last barrier of a list.
struct vkd__sync {
    struct vkd__use *uses;
    uint32_t count, capacity;
};

// `edges` is NULL in lists that vkdiv submits itself.
void vkd__sync_begin(vkd_device *dev, struct vkd__sync *sync, VkCommandBuffer cb, const struct vkd_edges *edges);
// Called before a command that uses `uses`: makes it wait for what it depends on.
VKD_CHECKED vkd_result vkd__sync_use(vkd_device *dev, struct vkd__sync *sync, VkCommandBuffer cb,
                                     const struct vkd__use *uses, uint32_t count);
// `sync` is NULL after commands that none tracks.
void vkd__sync_end(vkd_device *dev, struct vkd__sync *sync, VkCommandBuffer cb, const struct vkd_edges *edges);
// Lets the application's command buffer write what earlier lists have read.
void vkd__sync_update(vkd_device *dev, VkCommandBuffer cb);

// ---- Command lists (commands.c) ---------------------------------------------------------------

enum vkd__commands_state { VKD__COMMANDS_EMPTY, VKD__COMMANDS_RECORDING, VKD__COMMANDS_READY };

struct vkd_commands {
    vkd_device *dev;
    VkCommandPool pool;
    VkCommandBuffer handle;
    enum vkd__commands_state state;
    vkd_result result;                  // sticky, of the recording
    uint64_t ticket;                    // last submission
    bool embedded;                      // a secondary command buffer, for the application's own ones
    struct vkd_edges edges;             // of an embedded one
    uint32_t pace_slot;                 // its slot of struct vkd__pace + 1, 0: none
    double seconds;                     // that it took; below 0: not known yet
    uint32_t dispatches;                // dispatches, copies and fills recorded
    struct vkd__sync sync;
    const vkd_kernel *bound;
    VkDescriptorSet bound_set;

    VkDescriptorPool *pools;
    uint32_t pool_count, pool_capacity, pool_now;
    struct vkd__set_entry *sets;        // open-addressed table (descriptors.c)
    uint32_t set_count, set_capacity;   // capacity is a power of two

    VkQueryPool queries;
    uint32_t stamps[VKD_STAMP_MAX / 32]; // bit i: slot i is written
    bool stamped;
};

void vkd__commands_free(vkd_device *dev, vkd_commands *cmds);

// A binding's range with its size known; `ofs` counts from the start of the VkBuffer.
struct vkd__span {
    vkd_buffer *buffer;
    uint64_t ofs, size;
};
// The descriptor set for (kernel, spans), made on first use within the list (descriptors.c).
VKD_CHECKED vkd_result vkd__set_get(vkd_commands *cmds, const vkd_kernel *kernel, const struct vkd__span *spans,
                                    VkDescriptorSet *out);
void vkd__sets_reset(vkd_commands *cmds);
void vkd__sets_free(vkd_device *dev, vkd_commands *cmds);

// ---- Sizes of submissions (pace.c) ------------------------------------------------------------

struct vkd__pace {
    double budget;              // seconds of one submission
    VkQueryPool queries;        // made with the first list, on queues with timestamps
    vkd_buffer *stamps;
    uint64_t free_slots[16];    // bit i: no list has slot i
};

// Around what a list records.
VKD_CHECKED vkd_result vkd__pace_begin(vkd_device *dev, vkd_commands *cmds);
void vkd__pace_end(vkd_device *dev, vkd_commands *cmds);
void vkd__pace_free(vkd_device *dev, vkd_commands *cmds);
// How many of the lists go into the next submission: at least one, unless count is 0.
uint32_t vkd__pace_count(vkd_device *dev, vkd_commands *const *lists, uint32_t count);
void vkd__pace_finish(vkd_device *dev);

// ---- Queue (queue.c) --------------------------------------------------------------------------

struct vkd__garbage {
    uint64_t ticket;
    vkd_buffer *buffer;         // one of these
    vkd_commands *commands;
};

struct vkd__queue {
    VkQueue handle;
    uint32_t family;
    void (*lock)(void *user);
    void (*unlock)(void *user);
    void *user;
    VkSemaphore timeline;
    uint64_t submitted, done;
    struct vkd__garbage *garbage;
    uint32_t garbage_count, garbage_capacity;
    VkCommandBuffer *handles;           // of one submission
    uint32_t handle_capacity;
};

VKD_CHECKED vkd_result vkd__queue_create(vkd_device *dev);
void vkd__queue_finish(vkd_device *dev);
// Frees buffer or list once everything submitted so far is done.
void vkd__queue_discard(vkd_device *dev, vkd_buffer *buffer, vkd_commands *commands);
// Reads how far the device is and frees what waited for that.
void vkd__queue_collect(vkd_device *dev);

// ---- Device (device.c) ------------------------------------------------------------------------

struct vkd_device {
    struct vkd_log log;
    struct vkd__instance *inst;
    VkPhysicalDevice physical;
    VkDevice handle;
    bool imported;
    bool compiler;              // made by vkd__compiler_create
    const VkAllocationCallbacks *host_memory;   // the application's, copied to `allocator`, or NULL
    VkAllocationCallbacks allocator;
    struct vkd_memory_source source;            // of device memory; all NULL: the driver's
    struct VolkDeviceTable vk;
    struct vkd_caps caps;
    struct vkd__facts facts;
    struct vkd_device_stats stats;
    char last_error[1024];
    bool lost;
    struct vkd_faults faults, met;      // to be injected; how many of each there were

    struct vkd__queue queue;
    struct vkd__pace pace;
    struct vkd__memory memory;
    struct vkd__staging staging;
    uint32_t live_buffers, live_lists;

    vkd_kernel **kernels;
    uint32_t kernel_count, kernel_capacity;
    VkPipelineCache cache;
    bool cache_borrowed;                // it is the application's
    char *cache_path;
    uint64_t cache_hash;                // of what the file held
};

// A device for compiling alone: there is no queue, and kernels are the only thing to make on it, so it works on drivers
// for hardware that is not there. Its pipelines keep the statistics of VK_KHR_pipeline_executable_properties, which the
// driver must have. `inst` is the device's from here on, also when this fails.
VKD_CHECKED vkd_result vkd__compiler_create(struct vkd__instance *inst, vkd_device **out);
void vkd__compiler_destroy(vkd_device **dev);

#endif
