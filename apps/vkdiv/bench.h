// bench.h -- what `vkdiv bench` measures and how a result looks.
#ifndef VKD_APP_BENCH_H
#define VKD_APP_BENCH_H

#include "apps/vkdiv/app.h"
#include "engine/bench.h"

enum { BENCH_RECIPES_MAX = 8, BENCH_SETS_MAX = 32 };

// What the device does at best; 0 where it cannot be measured.
struct roofline { double copy_gb_s, f32_gflops, f16_gflops; };

// `half`: f16, too, where the device has it.
VKD_CHECKED vkd_result roofline_measure(vkd_device *dev, bool half, struct roofline *out);

// A part of a training step, as it takes a step apart: the median of its seconds, and of its share of the whole.
struct bench_part { const char *name; double seconds, share; };

// One row. `work` and `bytes` are of one run; 0 where they mean nothing.
struct bench_row {
    char name[64], shape[64], variant[160];
    struct vkd__bench_time time;
    double work;            // floating-point operations
    double bytes;           // that must move between memory and the device at least
    double images;          // of a training step
    uint32_t waits;         // of the host for the device in the midst of a step
    double memory;          // bytes of the device that training needs, as foreseen
    struct bench_part parts[8];
    uint32_t part_count;
};

// How the step of one recipe compares with that of another: time and memory, each per image that goes through the
// network (views counted). Timed in turns; low and high are the quarters below and above.
struct bench_ratio { char name[64], base[64]; struct vkd__bench_time time; double memory; };

struct bench {
    vkd_device *dev;
    uint32_t runs;          // 0: enough for a steady median
    uint32_t cases;         // the first so many of a group of operations; 0: all
    struct roofline roof;
    const char *recipes[BENCH_RECIPES_MAX];     // of `model`; none: those it knows
    uint32_t recipe_count;
    struct { const char *text; uint32_t recipe; } sets[BENCH_SETS_MAX];    // overrides: of which recipe, counted from
    uint32_t set_count;                                                    // 1; 0: of all
    void (*tell)(void *user, const struct bench_row *row);
    void (*compare)(void *user, const struct bench_ratio *ratio);
    void *user;
};

// The groups of measurements. A row that fails is logged, and the first failure is returned at the end.
VKD_CHECKED vkd_result bench_gemm(const struct bench *b);
VKD_CHECKED vkd_result bench_conv(const struct bench *b);
VKD_CHECKED vkd_result bench_ops(const struct bench *b);
VKD_CHECKED vkd_result bench_models(const struct bench *b);

// Runs for something that takes about `seconds`: a second's worth, from 3 to 30.
uint32_t bench_runs(const struct bench *b, double seconds);

#endif
