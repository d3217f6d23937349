// golden.h -- the numbers that tests/golden/golden.py computes, again in C, and comparing with what it stored.
#ifndef GOLDEN_H
#define GOLDEN_H

#include "engine/op.h"
#include "engine/safetensors.h"
#include "golden_numbers.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Layouts: (N, C, H, W) <-> (N, H, W, C) and (K, C, R, S) <-> (R, S, C, K), padding zero ----

static inline uint64_t golden_place(bool weight, struct vkd_shape s, const uint32_t at[4])
{
    return weight ? vkd__at(s, at[2], at[3], at[1], at[0]) : vkd__at(s, at[0], at[2], at[3], at[1]);
}

// Extends PyTorch's shape to four sizes: (C) to (1, C, 1, 1), (N, C) to (N, C, 1, 1).
static inline void golden_four(const uint64_t *shape, uint32_t rank, uint32_t four[4])
{
    for (uint32_t i = 0; i < 4; i++)
        four[i] = 1;
    if (rank == 1)
        four[1] = (uint32_t) shape[0];
    for (uint32_t i = 0; rank > 1 && i < rank; i++)
        four[i] = (uint32_t) shape[i];
}

// Copies PyTorch's `file` of size `four` into `memory` of shape `s`, or the other way.
static inline void golden_copy(bool weight, bool to_memory, const uint32_t four[4], struct vkd_shape s, float *file,
                               float *memory)
{
    uint32_t at[4];
    for (at[0] = 0; at[0] < four[0]; at[0]++)
        for (at[1] = 0; at[1] < four[1]; at[1]++)
            for (at[2] = 0; at[2] < four[2]; at[2]++)
                for (at[3] = 0; at[3] < four[3]; at[3]++, file++) {
                    float *there = memory + golden_place(weight, s, at);
                    if (to_memory)
                        *there = *file;
                    else
                        *file = *there;
                }
}

// ---- Comparing ----

// The largest difference relative to the larger of the value and the root mean square of all.
static inline double golden_distance(const float *got, const float *want, uint64_t count)
{
    double squares = 0, worst = 0;
    for (uint64_t i = 0; i < count; i++)
        squares += (double) want[i] * want[i];
    double rms = sqrt(squares / (double) (count ? count : 1)) + 1e-30;
    for (uint64_t i = 0; i < count; i++) {
        double d = fabs((double) got[i] - want[i]) / fmax(rms, fabs((double) want[i]));
        if (!(d <= worst))      // NaN, too
            worst = d;
    }
    return worst;
}

static inline const struct vkd__st_tensor *golden_tensor(const vkd__st_file *f, const char *a, const char *between,
                                                         const char *b)
{
    char name[192];
    snprintf(name, sizeof(name), "%s%s%s", a, between, b);
    return vkd__st_find(f, name);
}

// malloc'd
static inline float *golden_values(const struct vkd__st_tensor *t)
{
    float *v = malloc((t->numel + 1) * sizeof(*v));
    ck_assert(vkd__st_floats(t, 0, t->numel, v));
    return v;
}

static inline vkd__st_file *golden_open(const char *name, const struct vkd_log *log)
{
    char path[1024];
    vkd__st_file *f = NULL;
    snprintf(path, sizeof(path), "%s/tests/golden/%s.safetensors", VKD_SOURCE_DIR, name);
    ck_assert_int_eq(vkd__st_open(path, log, &f), VKD_OK);
    return f;
}

#endif
