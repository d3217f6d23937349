// gpus.h -- the GPUs that pipelines are compiled for without the hardware.
#ifndef GPUS_H
#define GPUS_H

#include "intel_shim.h"

struct gpu {
    const char *vendor, *name;
    const char *icd;            // stem of the driver's file in the loader's folder
    const char *driver;         // its short name
    const char *generation;
    const char *known_as;       // a card or chip that has it
    bool few;                   // one of those that stand for the others
    int waves_min;              // per SIMD; 0 where the driver does not say
    struct intel_gpu intel;     // what the shim presents; AMD's driver is told the name
};

extern const struct gpu gpus[];
extern const unsigned gpu_count;

// "vendor-name": how results and exceptions call it.
const char *gpu_title(const struct gpu *g, char *out, unsigned size);

#endif
