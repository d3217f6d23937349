// bench.h -- what `vkdiv bench` measures and how a result looks.
#ifndef VKD_APP_BENCH_H
#define VKD_APP_BENCH_H

#include "apps/vkdiv/app.h"
#include "engine/bench.h"

// What the device does at best; 0 where it cannot be measured.
struct roofline { double copy_gb_s, f32_gflops, f16_gflops; };

VKD_CHECKED vkd_result roofline_measure(vkd_device *dev, struct roofline *out);

// One row. `work` and `bytes` are of one run; 0 where they mean nothing.
struct bench_row {
    char name[64], shape[64], variant[160];
    struct vkd__bench_time time;
    double work;            // floating-point operations
    double bytes;           // that must move between memory and the device at least
    double images;          // of a training step
};

struct bench {
    vkd_device *dev;
    uint32_t runs;          // 0: enough for a steady median
    struct roofline roof;
    void (*tell)(void *user, const struct bench_row *row);
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
