// embed.h -- vkdiv inside an application's own Vulkan work: its buffers, its semaphores, its command buffers.
//
// A list made by vkd_commands_create_embedded is recorded once, like any other, and then executed in command
// buffers that the application begins, ends and submits, as often as it likes; that costs the host next to
// nothing. vkd_sequence spreads many lists over several frames. None of these functions submits or waits,
// unless it says so.
//
// What the application must see to:
//   - its command buffer belongs to the queue family it imported, is recording, and is outside of a render pass;
//     what it had bound for compute (pipeline, descriptor sets, push constants) is unbound afterwards;
//   - its buffers belong to that family too, or are VK_SHARING_MODE_CONCURRENT;
//   - command buffers run in the order in which they were recorded, and on one queue, the imported one; on another
//     queue of the family semaphores order them after what vkdiv submitted, and the other way round;
//   - what a recorded list uses is destroyed, or recorded anew, only after the last command buffer with it has run.
#ifndef VKDIV_EMBED_H
#define VKDIV_EMBED_H

#include <vkdiv/compute.h>

VKD_BEGIN

// ---- Buffers of the application ---------------------------------------------------------------

// The usage with which a buffer serves every kernel and copy. VK_BUFFER_USAGE_STORAGE_BUFFER_BIT alone is the
// least; what else a kernel needs is checked when it is recorded.
#define VKD_WRAP_USAGE                                                              \
    (VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT  \
     | VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT)

struct vkd_wrap_params {
    VkBuffer buffer;                // bound to memory
    uint64_t ofs, size;             // bytes. ofs: a multiple of vkd_caps.storage_align (and of texel_align where
                                    // cpu is set: kernels read through texel views there); size: a multiple of 4, above 0
    VkBufferUsageFlags usage;       // what it was created with
};

// Makes a vkd_buffer of a part of the application's, to be used like any other, without a copy. It is not mapped
// (vkd_buffer_data is NULL). The VkBuffer must outlive it and is never destroyed by vkdiv.
//
//   VKD_INVALID    a field breaks its rule, or the part is larger than the buffer's memory
//   VKD_NO_MEMORY
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_buffer_wrap(vkd_device *dev, const struct vkd_wrap_params *p, vkd_buffer **out);

// ---- Semaphores of the application ------------------------------------------------------------

// A timeline semaphore and the value to wait for or to set; of a binary semaphore the value is ignored.
struct vkd_semaphore_point {
    VkSemaphore semaphore;
    uint64_t value;
};

#define VKD_SEMAPHORE_MAX 16

struct vkd_submit_params {
    vkd_commands *const *lists;
    uint32_t list_count;
    const struct vkd_semaphore_point *waits, *signals;      // VKD_SEMAPHORE_MAX of each at most
    uint32_t wait_count, signal_count;
};

// vkd_submit that begins when all of `waits` are reached and reaches `signals` when it is done.
//
//   VKD_INVALID      a list or a semaphore is missing, or there are too many
//   VKD_DEVICE_LOST, VKD_NO_MEMORY
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_submit_synced(vkd_device *dev, const struct vkd_submit_params *p, uint64_t *ticket);

// The timeline semaphore that counts vkdiv's own submissions: it reaches a ticket's number when that submission
// is done, so the application's submissions can wait for it. Never signal it. Thread-safety: safe.
VkSemaphore vkd_device_timeline(const vkd_device *dev);

// ---- Command buffers of the application -------------------------------------------------------

// How the application touches memory that a list uses: last before the list, and first after it. All zero is any
// access in any stage, which is always right.
struct vkd_edges {
    VkPipelineStageFlags before_stages, after_stages;
    VkAccessFlags before_access, after_access;
};

// Creates a list for the application's command buffers instead of vkd_submit. It begins with a barrier that makes
// what was written before visible to it (the application's writes as `edges` names them, NULL: any; vkdiv's own
// always), and ends with one that makes what it wrote visible to the application, and to mapped memory once a fence
// or semaphore of the submission is seen. vkd_commands_stamp has no use in it.
//
//   VKD_NO_MEMORY, VKD_DEVICE_LOST
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_commands_create_embedded(vkd_device *dev, const struct vkd_edges *edges,
                                                    vkd_commands **out);

// Appends the lists, embedded and finished, to the application's command buffer.
//
//   VKD_INVALID  a list is not embedded, not finished or of another device; nothing was appended
//
// Thread-safety: that of the device; the command buffer and its pool are the caller's to guard.
VKD_CHECKED vkd_result vkd_commands_embed(vkd_device *dev, vkd_commands *const *lists, uint32_t count,
                                          VkCommandBuffer cb);

// Appends "write these bytes": they are kept in the command buffer. Lists embedded later see them, lists embedded
// earlier do not. `range.size` (0: to the end) bytes, a multiple of 4 and 65536 at most, at a multiple of 4.
//
//   VKD_INVALID  the range breaks a rule
//
// Thread-safety: as vkd_commands_embed.
VKD_CHECKED vkd_result vkd_range_embed(vkd_device *dev, struct vkd_range range, const void *data, VkCommandBuffer cb);

// ---- Bounded work -----------------------------------------------------------------------------

// How much one call may append; a field that is 0 is no limit. At least one list is appended, so lists should be short.
struct vkd_budget {
    uint32_t dispatches;    // dispatches, copies and fills
    double   seconds;       // of the GPU, by what the lists took before; a list that has not been measured yet, or any
                            // on a queue without timestamps, goes alone
};

// Lists that belong together, appended in order over as many calls as the budget makes of it.
typedef struct vkd_sequence vkd_sequence;

// The lists are borrowed and must outlive the sequence.
//
//   VKD_INVALID  no list, or one that is not embedded or of another device
//   VKD_NO_MEMORY, VKD_DEVICE_LOST
//
// Thread-safety: that of the device, as for everything below.
VKD_CHECKED vkd_result vkd_sequence_create(vkd_device *dev, vkd_commands *const *lists, uint32_t count,
                                           vkd_sequence **out);
void vkd_sequence_destroy(vkd_sequence **seq);      // NULL is fine

// Appends the lists that come next, as many as `budget` (NULL: no limit) allows. *finished (NULL is allowed) tells
// whether that was the last one, after which the next call begins anew.
//
//   VKD_INVALID  a list is not finished; what was appended before it stays
//   VKD_DEVICE_LOST
VKD_CHECKED vkd_result vkd_sequence_embed(vkd_sequence *seq, VkCommandBuffer cb, const struct vkd_budget *budget,
                                          bool *finished);

// Begins with the first list again, whatever was appended so far.
void vkd_sequence_restart(vkd_sequence *seq);

struct vkd_sequence_state {
    uint32_t next, count;   // the list that comes next; how many there are
    double   seconds;       // of the GPU, all lists together, as far as measured
};
struct vkd_sequence_state vkd_sequence_state(const vkd_sequence *seq);

VKD_END
#endif
