// performance.c -- how fast the device is at best, and the share of it that products and convolutions reach.
#include "apps/selftest/selftest.h"
#include "apps/vkdiv/bench.h"

#include <stdio.h>
#include <string.h>

// ---- Rows of the bench -------------------------------------------------------------------------

// A row's figures are numbers of the result; the text names the best and the worst of them.
struct rows {
    struct selftest_run *t;
    const struct roofline *roof;
    uint32_t count;
    double best, worst;
    char best_name[160], worst_name[160];
};

static void take(void *user, const struct bench_row *row)
{
    struct rows *r = user;
    char name[140], key[160];
    double share = row->work / row->time.median / 1e9 / r->roof->f32_gflops;
    snprintf(name, sizeof name, "%s %s", row->name, row->shape);
    selftest_at(r->t, "%s", name);
    snprintf(key, sizeof key, "%s_ms", name);
    selftest_number(r->t, key, 1e3 * row->time.median);
    snprintf(key, sizeof key, "%s_share", name);
    selftest_number(r->t, key, share);
    snprintf(key, sizeof key, "%s_kernels", name);
    selftest_text(r->t, key, row->variant);
    if (r->count == 0 || share > r->best) {
        r->best = share;
        snprintf(r->best_name, sizeof r->best_name, "%s", name);
    }
    if (r->count == 0 || share < r->worst) {
        r->worst = share;
        snprintf(r->worst_name, sizeof r->worst_name, "%s", name);
    }
    r->count++;
}

static bool measure(struct selftest_run *t, bool half, struct roofline *roof)
{
    selftest_at(t, "copies and multiply-adds");
    return selftest_ok(t, roofline_measure(t->dev, half, roof), "the roofline");
}

static void run_group(struct selftest_run *t, vkd_result (*group)(const struct bench *b))
{
    struct roofline roof;
    if (!measure(t, false, &roof))
        return;
    struct rows rows = { .t = t, .roof = &roof };
    const struct bench b = { .dev = t->dev, .runs = 3, .cases = t->quick ? 1 : 3, .roof = roof, .tell = take,
                             .user = &rows };
    if (selftest_ok(t, group(&b), "the bench"))
        selftest_say(t, SELFTEST_PASS, "%u measured, from %.0f %% (%s) to %.0f %% (%s) of the peak", rows.count, 100 * rows.worst,
                     rows.worst_name, 100 * rows.best, rows.best_name);
}

// ---- Probes ------------------------------------------------------------------------------------

static void roofline(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    struct roofline roof;
    if (!measure(t, !t->quick, &roof))
        return;
    char half[48] = "";
    selftest_number(t, "copy_gb_s", roof.copy_gb_s);
    selftest_number(t, "f32_gflops", roof.f32_gflops);
    if (roof.f16_gflops > 0) {
        selftest_number(t, "f16_gflops", roof.f16_gflops);
        snprintf(half, sizeof half, ", f16 %.0f GFLOP/s", roof.f16_gflops);
    }
    selftest_say(t, SELFTEST_PASS, "copies %.1f GB/s, f32 %.0f GFLOP/s%s", roof.copy_gb_s, roof.f32_gflops, half);
}

static void gemm(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    run_group(t, bench_gemm);
}

static void conv(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    run_group(t, bench_conv);
}

static const struct selftest_probe probes[] = {
    { .name = "roofline", .about = "copy bandwidth and arithmetic at best", .run = roofline, .patience = 300 },
    { .name = "gemm", .about = "matrix products, and their share of it", .run = gemm, .patience = 300 },
    { .name = "conv", .about = "convolutions and their gradients, and their share of it", .run = conv, .patience = 300,
      .slow = true },
};

const struct selftest_part selftest_part_performance = {
    .name = "performance", .title = "Performance", .place = 80, .probes = probes, .count = sizeof probes / sizeof probes[0],
};
