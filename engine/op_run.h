// op_run.h -- one call of an op, alone on a device: for tests, selftest and bench. Internal.
//
// Every tensor has a range of its own in one buffer, between guard bands. The host holds an image
// of that buffer: fill inputs in it, run a pass, read outputs from it.
#ifndef VKD_OP_RUN_H
#define VKD_OP_RUN_H

#include "op.h"
#include <vkdiv/compute.h>

// What guard bands, outputs and scratch hold before a pass: a NaN as f32 and as two f16.
#define VKD__POISON 0x7fe07fe1u

enum vkd__op_pass { VKD__OP_FORWARD, VKD__OP_BACKWARD };

struct vkd__op_run_params {
    const struct vkd_call *call;    // accepted by shape(); caps set; borrowed for the call
    bool backward;                  // also the backward pass, for call->want
    bool alias_out;                 // out[0] lies on in[0]
    bool alias_din;                 // DIN(0) lies on DOUT
};

struct vkd__op_run;

// Plans, checks the plans against the op's own promises, allocates and records.
//
//   VKD_INVALID      a plan breaks a rule; the log names it
//   VKD_UNSUPPORTED  a kernel needs what the device lacks
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd__op_run_create(vkd_device *dev, const struct vkd__op_run_params *p,
                                          struct vkd__op_run **out);
void vkd__op_run_destroy(struct vkd__op_run **run);

// The bytes of a tensor in the host's image, and their number (NULL is fine). NULL if the call has no such tensor.
void *vkd__op_run_data(struct vkd__op_run *run, enum vkd_slot_kind kind, uint32_t index, uint64_t *size);

// Poisons what the pass has to write, uploads the image, runs, and downloads it.
//
//   VKD_INVALID  a byte changed that the pass has no business with; the log names it
VKD_CHECKED vkd_result vkd__op_run_pass(struct vkd__op_run *run, enum vkd__op_pass pass);

// Runs a pass `count` times on what the buffer holds; *seconds is the time of one.
VKD_CHECKED vkd_result vkd__op_run_time(struct vkd__op_run *run, enum vkd__op_pass pass, uint32_t count,
                                        double *seconds);

#endif
