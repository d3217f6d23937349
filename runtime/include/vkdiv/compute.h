// compute.h -- buffers, kernels and recorded command lists on a vkd_device.
//
// A kernel is named by its shader's stem and variant ("gemm.nn.texel"). What it binds, whether it
// reads or writes each binding, and the size of its push constants are read from its SPIR-V, so
// they are said once, in the shader. Barriers follow from the ranges that dispatches read and write.
//
// Thread-safety of all functions here: that of the device. Everything made from one vkd_device is used from one thread
// at a time; different vkd_devices from different ones, also when they were imported from one VkDevice.
#ifndef VKDIV_COMPUTE_H
#define VKDIV_COMPUTE_H

#include <vkdiv/device.h>

VKD_BEGIN

typedef struct vkd_buffer   vkd_buffer;
typedef struct vkd_kernel   vkd_kernel;
typedef struct vkd_commands vkd_commands;

// ---- Buffers ----------------------------------------------------------------------------------

enum vkd_memory {
    VKD_MEMORY_DEVICE,      // where kernels are fast
    VKD_MEMORY_UPLOAD,      // host writes, device reads; mapped
    VKD_MEMORY_READBACK,    // device writes, host reads; mapped, cached where possible
};

// Creates a buffer of `size` bytes (> 0), suballocated from a few large blocks. Contents are
// undefined.
//
//   VKD_INVALID    size is 0
//   VKD_NO_MEMORY  the log says how much was asked for, held and free
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_buffer_create(vkd_device *dev, uint64_t size, enum vkd_memory memory,
                                         vkd_buffer **out);

// Frees *buf once nothing that vkd_submit took uses it, and sets it to NULL. NULL is fine.
void vkd_buffer_destroy(vkd_device *dev, vkd_buffer **buf);

uint64_t vkd_buffer_size(const vkd_buffer *buf);

// The mapped bytes of an UPLOAD or READBACK buffer; NULL for DEVICE. Coherent.
void *vkd_buffer_data(const vkd_buffer *buf);

// Copies host bytes into / out of a buffer of any kind through staging; returns when done, after
// all work submitted before. `ofs` and `size` must be multiples of 4 and lie inside the buffer.
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_buffer_write(vkd_device *dev, vkd_buffer *buf, uint64_t ofs,
                                        const void *data, uint64_t size);
VKD_CHECKED vkd_result vkd_buffer_read(vkd_device *dev, vkd_buffer *buf, uint64_t ofs,
                                       void *data, uint64_t size);

// A part of a buffer. size 0 means "to the end".
struct vkd_range {
    vkd_buffer *buffer;
    uint64_t ofs, size;
};

// ---- Kernels ----------------------------------------------------------------------------------

#define VKD_SPEC_MAX 8

struct vkd_kernel_params {
    const char *name;                   // "stem" or "stem.variant"; must exist in the library
    uint32_t spec[VKD_SPEC_MAX];        // specialisation constants 0 ... spec_count-1
    uint32_t spec_count;
    uint32_t subgroup_size;             // required size, 0 for any; ignored where it cannot be had
};

// The kernel for `p`, made on first use and owned by `dev`. Equal params give the same kernel.
//
//   VKD_INVALID      no such kernel in the library
//   VKD_UNSUPPORTED  it needs a capability the device lacks, or the driver refused it
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_kernel_get(vkd_device *dev, const struct vkd_kernel_params *p,
                                      vkd_kernel **out);

// ---- Command lists ----------------------------------------------------------------------------

// Creates an empty list that can be recorded once and submitted many times, also while an earlier
// submission of it is still running.
VKD_CHECKED vkd_result vkd_commands_create(vkd_device *dev, vkd_commands **out);

// Frees *cmds once its submissions are done, and sets it to NULL. NULL is fine.
void vkd_commands_destroy(vkd_device *dev, vkd_commands **cmds);

// Starts recording; what was recorded before is gone. No submission of it may be running.
VKD_CHECKED vkd_result vkd_commands_begin(vkd_commands *cmds);

// Records one dispatch. `ranges` are the kernel's bindings in order; `push` holds exactly the
// kernel's push constants. A dispatch with a zero group count is skipped. Errors stick to the
// list: the first is logged and returned by vkd_commands_end, later calls do nothing.
void vkd_commands_dispatch(vkd_commands *cmds, const vkd_kernel *kernel,
                           const struct vkd_range *ranges, uint32_t range_count,
                           const void *push, uint32_t push_size, const uint32_t groups[3]);

// Records a copy (sizes must be equal) or a fill with a 32-bit word.
void vkd_commands_copy(vkd_commands *cmds, struct vkd_range dst, struct vkd_range src);
void vkd_commands_fill(vkd_commands *cmds, struct vkd_range dst, uint32_t word);

// Records "the GPU's clock now" into slot `index` (< 256) of the list; see vkd_commands_times.
void vkd_commands_stamp(vkd_commands *cmds, uint32_t index);

// Finishes recording and returns the first error of the recording.
VKD_CHECKED vkd_result vkd_commands_end(vkd_commands *cmds);

// Seconds of slots 0 ... count-1 of the last finished submission, relative to slot 0; all 0 where
// the queue has no timestamps.
VKD_CHECKED vkd_result vkd_commands_times(vkd_commands *cmds, double *seconds, uint32_t count);

// Submits the lists in order and stores a ticket (NULL is allowed). Later lists see everything earlier ones wrote. It
// takes as few submissions to the queue as their budget allows, by the time that each list took before; a list that has
// not run yet has one of its own.
//
//   VKD_DEVICE_LOST, VKD_NO_MEMORY
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_submit(vkd_device *dev, vkd_commands *const *lists, uint32_t count,
                                  uint64_t *ticket);

// Waits until the submission `ticket` and all before it are done, or for `timeout_ns`
// (UINT64_MAX: no limit; a timeout returns VKD_OK with *done false; `done` may be NULL).
VKD_CHECKED vkd_result vkd_wait(vkd_device *dev, uint64_t ticket, uint64_t timeout_ns, bool *done);

VKD_END
#endif
