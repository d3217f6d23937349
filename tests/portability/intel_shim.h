// intel_shim.h -- an Intel GPU that is not there, so that Mesa's drivers compile for it.
//
// The program that links this (with its symbols exported, CMake's ENABLE_EXPORTS) takes the place of the kernel's i915
// driver and of libdrm's list of devices. Devices can be created and pipelines made; submissions run nothing.
#ifndef INTEL_SHIM_H
#define INTEL_SHIM_H

#include <stdbool.h>
#include <stdint.h>

struct intel_gpu {
    const char *name;
    uint16_t device_id;
    uint8_t revision, generation;
    uint8_t subslices, eus;     // of the one slice; execution units of each subslice
    bool discrete;              // has memory of its own
};

// Presents `gpu`, which must outlive the process's use of Vulkan. Before the first Vulkan call, once in a process.
// False when the memory file cannot be made (errno says why).
bool intel_shim_present(const struct intel_gpu *gpu);

#endif
