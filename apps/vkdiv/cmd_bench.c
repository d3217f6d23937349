// cmd_bench.c -- vkdiv bench: throughput of kernels and models beside what the device can do at best.
#include "apps/vkdiv/bench.h"

#include "engine/suggest.h"
#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct { const char *name; vkd_result (*run)(const struct bench *b); } groups[] = {
    { "gemm", bench_gemm }, { "conv", bench_conv }, { "ops", bench_ops }, { "model", bench_models },
};
enum { GROUP_COUNT = sizeof groups / sizeof groups[0] };

struct bench_options {
    struct app_options app;
    bool chosen[GROUP_COUNT], any;
    uint32_t runs;
};

enum { KEY_RUNS = 'n' };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct bench_options *o = state->input;
    const char *names[GROUP_COUNT];
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 3; i++)
            state->child_inputs[i] = &o->app;
        return 0;
    case KEY_RUNS: {
        char *end;
        unsigned long n = strtoul(arg, &end, 10);
        if (*end != 0 || arg[0] == '-' || n < 1 || n > 1000)
            app_usage(state, "--runs: expected a number from 1 to 1000, found '%s'", arg);
        o->runs = (uint32_t)n;
        return 0;
    }
    case ARGP_KEY_ARG: {
        for (int i = 0; i < GROUP_COUNT; i++) {
            names[i] = groups[i].name;
            if (strcmp(arg, names[i]) == 0) {
                o->chosen[i] = o->any = true;
                return 0;
            }
        }
        const char *near = vkd__suggest(arg, names, GROUP_COUNT);
        app_usage(state, "expected gemm, conv, ops or model, found '%s'%s%s%s", arg, near ? "; did you mean '" : "",
                  near ? near : "", near ? "'?" : "");
    }
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "runs", KEY_RUNS, "N", 0, "timed runs of each row; else a second's worth, from 3 to 30", 0 }, { 0 },
};
static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 0 }, { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 },
};
static const struct argp argp = {
    options, parse, "[gemm] [conv] [ops] [model]", "Measures kernels and whole training steps.\vTimes are medians; "
    "low and high are the quarters below and above. A share is of the roofline: of the arithmetic peak for products, "
    "convolutions and models, of the copy bandwidth for the rest. It can pass 100 %: Winograd "
    "saves multiplications, and reading costs less than writing. Without a group, all are measured.",
    children, NULL, NULL
};

uint32_t bench_runs(const struct bench *b, double seconds)
{
    if (b->runs > 0)
        return b->runs;
    double runs = seconds > 0 ? 1.0 / seconds : 30;
    return runs < 3 ? 3 : runs > 30 ? 30 : (uint32_t)runs;
}

// ---- Rows --------------------------------------------------------------------------------------

struct output { const struct bench *bench; json_t *rows; bool json; };

// Work decides for what arithmetic bounds, bytes for the rest.
static double share_of(const struct bench *b, const struct bench_row *r)
{
    if (r->work > 0)
        return r->work / r->time.median / 1e9 / b->roof.f32_gflops;
    return r->bytes / r->time.median / 1e9 / b->roof.copy_gb_s;
}

static void tell(void *user, const struct bench_row *r)
{
    struct output *o = user;
    double gflops = r->work / r->time.median / 1e9, gb_s = r->bytes / r->time.median / 1e9;
    if (o->json) {
        json_array_append_new(o->rows, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
            "name", r->name, "shape", r->shape, "dtype", "f32", "variant", r->variant,
            "ms", app_json_real(1e3 * r->time.median), "ms_low", app_json_real(1e3 * r->time.low),
            "ms_high", app_json_real(1e3 * r->time.high),
            "gflops", r->work > 0 ? app_json_real(gflops) : json_null(),
            "gb_s", r->bytes > 0 ? app_json_real(gb_s) : json_null(), "share", app_json_real(share_of(o->bench, r)),
            "images_per_second", r->images > 0 ? app_json_real(r->images / r->time.median) : json_null()));
        return;
    }
    char rate[32] = "";
    if (r->work > 0)
        snprintf(rate, sizeof rate, "%.1f GFLOP/s", gflops);
    else
        snprintf(rate, sizeof rate, "%.1f GB/s", gb_s);
    printf("%-22s %-32s %9.3f ms (%.3f-%.3f) %15s %5.1f %%  ", r->name, r->shape, 1e3 * r->time.median,
           1e3 * r->time.low, 1e3 * r->time.high, rate, 100 * share_of(o->bench, r));
    if (r->images > 0)
        printf("%.0f images/s  ", r->images / r->time.median);
    printf("%s%s%s\n", app_sgr(1, APP_DIM), r->variant, app_sgr(1, APP_PLAIN));
    fflush(stdout);
}

static json_t *roofline_json(const struct roofline *l)
{
    return json_pack("{s:f, s:f, s:o}", "copy_gb_s", l->copy_gb_s, "f32_gflops", l->f32_gflops, "f16_gflops",
                     l->f16_gflops > 0 ? json_real(l->f16_gflops) : json_null());
}

static void print_roofline(const struct vkd_caps *caps, const struct roofline *l)
{
    printf("%s%s%s: copies %.1f GB/s, f32 %.0f GFLOP/s", app_sgr(1, APP_BOLD), caps->name, app_sgr(1, APP_PLAIN),
           l->copy_gb_s, l->f32_gflops);
    if (l->f16_gflops > 0)
        printf(", f16 %.0f GFLOP/s", l->f16_gflops);
    printf("\n\n");
}

enum exit_status cmd_bench(int argc, char **argv)
{
    struct bench_options o = { 0 };
    enum exit_status status;
    app_parse(&argp, argc, argv, &o);
    vkd_device *dev = app_open_device(&o.app, &status);
    if (dev == NULL)
        return status;
    vkd__os_catch_interrupt();
    struct bench b = { .dev = dev, .runs = o.runs, .tell = tell };
    struct output out = { .bench = &b, .rows = json_array(), .json = o.app.json };
    b.user = &out;
    vkd_result r = roofline_measure(dev, &b.roof);
    if (r == VKD_OK && !o.app.json)
        print_roofline(vkd_device_caps(dev), &b.roof);
    for (int i = 0; r != VKD_DEVICE_LOST && i < GROUP_COUNT && b.roof.f32_gflops > 0; i++)
        if (o.chosen[i] || !o.any) {
            vkd_result one = groups[i].run(&b);
            r = r == VKD_OK || one == VKD_DEVICE_LOST ? one : r;
        }
    status = app_stop(NULL) ? EXIT_STOPPED : r == VKD_OK ? EXIT_DONE : EXIT_FAILED;
    if (o.app.json && app_print_json(json_pack("{s:i, s:s, s:o, s:O}", "schema", 1, "device",
                                               vkd_device_caps(dev)->name, "roofline", roofline_json(&b.roof),
                                               "results", out.rows)) != EXIT_DONE)
        status = EXIT_FAILED;
    json_decref(out.rows);
    vkd_device_destroy(&dev);
    return status;
}
