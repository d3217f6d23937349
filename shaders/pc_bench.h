// pc_bench.h -- push constants of the kernels that measure a device's roofline.
#ifndef VKD_PC_BENCH_H
#define VKD_PC_BENCH_H
#include "shared.h"

#define VKD_BENCH_GROUP 256     // vec4s that a workgroup of bench_copy copies
#define VKD_BENCH_FMAS 64       // vec4 multiply-adds in one turn of bench_fma's loop

struct vkd_pc_bench {
    u32 count;          // bench_copy: vec4s; bench_fma: turns of the loop, at most 4096
    f32 factor;         // bench_fma
};
VKD_PC_CHECK(vkd_pc_bench)
#endif
