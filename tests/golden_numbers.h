// golden_numbers.h -- the numbers that tests/golden/golden.py computes from names, again in C.
#ifndef GOLDEN_NUMBERS_H
#define GOLDEN_NUMBERS_H

#include "engine/weights.h"
#include "philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Element `index` of the uniform numbers called `name`.
static inline double golden_uniform(const char *name, uint64_t index)
{
    uint32_t hash = 0x811c9dc5u;    // FNV-1a
    for (const char *c = name; *c; c++)
        hash = (hash ^ (uint8_t) *c) * 0x01000193u;
    const u32 seed[2] = { 0x676f6c64u, 1 };
    u32 ctr[4] = { (u32) (index / 4), hash, 0, 0 };
    vkd_philox(ctr, seed);
    return (ctr[index % 4] >> 8) / 16777216.0;
}

// malloc'd
static inline float *golden_numbers(const char *name, uint64_t count, double low, double high)
{
    float *v = malloc((count + 1) * sizeof(*v));
    for (uint64_t i = 0; v && i < count; i++)
        v[i] = (float) (low + (high - low) * golden_uniform(name, i));
    return v;
}

// Between what a parameter starts, as start_range of golden.py; `bias` is the range of biases.
static inline void golden_start_range(const struct vkd_param_info *p, const double bias[2], double range[2])
{
    const char *end = strrchr(p->name, '.');
    uint64_t shape[4];
    uint32_t rank = vkd__param_file_shape(p, shape);
    if (!strcmp(end, ".running_var") || (rank == 1 && !strcmp(end, ".weight"))) {
        range[0] = 0.5;
        range[1] = 1.5;
    } else if (!strcmp(end, ".running_mean")) {
        range[0] = -0.2;
        range[1] = 0.2;
    } else if (rank == 1) {
        range[0] = bias[0];
        range[1] = bias[1];
    } else {
        range[1] = sqrt(6.0 / (double) (shape[1] * (rank == 4 ? shape[2] * shape[3] : 1)));
        range[0] = -range[1];
    }
}

#endif
