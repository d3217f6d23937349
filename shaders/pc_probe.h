// pc_probe.h -- push constants of the kernels that find out what a device does, for `vkdiv selftest`.
#ifndef VKD_PC_PROBE_H
#define VKD_PC_PROBE_H
#include "shared.h"

#define VKD_PROBE_HALF_OPS 8u
#define VKD_PROBE_LCG_MUL 1664525u
#define VKD_PROBE_LCG_ADD 1013904223u

struct vkd_pc_probe {
    u32 count;          // elements; probe_loop: turns
    u32 shift;          // probe_chain: which other element is read
};
VKD_PC_CHECK(vkd_pc_probe)

// As many bytes as every device must take.
struct vkd_pc_probe_push { u32 word[32]; };
VKD_PC_CHECK(vkd_pc_probe_push)
#endif
