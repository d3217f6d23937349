// compile_gpu.h -- all pipelines of the shader table for one GPU, in a process of its own.
#ifndef COMPILE_GPU_H
#define COMPILE_GPU_H

#include "gpus.h"

#include <stdint.h>
#include <stdio.h>

// Compiles the table's kernels from index `first` on and writes a line of JSON for each event:
//
//   {"device": "...", "driver": "...", "device_id": N}
//   {"begin": INDEX, "kernel": "stem.variant"}   before it is compiled: what a crash was in
//   {"kernel": "...", "seconds": S, ...}         what the driver says of it: see statistics in compile_gpu.c
//   {"skip": "...", "why": "..."}                not for this GPU
//   {"failed": "...", "why": "..."}              the driver refused it
//   {"done": true}
//
// Seconds are those of the processor. Returns the process's exit status.
int compile_gpu(const struct gpu *g, uint32_t first, FILE *out);

// Whether the driver for `g` is installed; its file in `path`.
bool compile_driver(const struct gpu *g, char *path, unsigned size);

#endif
