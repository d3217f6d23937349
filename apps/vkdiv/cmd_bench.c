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
    struct bench bench;
};

enum { KEY_RUNS = 'n', KEY_RECIPE = 'r', KEY_SET = 'S' };

static void add_recipe(struct bench *b, const struct argp_state *state, const char *name)
{
    if (b->recipe_count == BENCH_RECIPES_MAX)
        app_usage(state, "more than %d --recipe", BENCH_RECIPES_MAX);
    b->recipes[b->recipe_count++] = name;
}

static void add_set(struct bench *b, const struct argp_state *state, const char *set)
{
    if (b->set_count == BENCH_SETS_MAX)
        app_usage(state, "more than %d --set", BENCH_SETS_MAX);
    b->sets[b->set_count].text = set;
    b->sets[b->set_count++].recipe = b->recipe_count;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct bench_options *o = state->input;
    const char *names[GROUP_COUNT];
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 3; i++)
            state->child_inputs[i] = &o->app;
        return 0;
    case KEY_RUNS:
        o->bench.runs = (uint32_t)app_whole(state, "runs", arg, 1, 1000);
        return 0;
    case KEY_RECIPE:
        add_recipe(&o->bench, state, arg);
        return 0;
    case KEY_SET:
        add_set(&o->bench, state, arg);
        return 0;
    case ARGP_KEY_END:
        if (o->bench.set_count > 0 && o->bench.recipe_count == 0)
            app_usage(state, "--set changes what --recipe names: expected a --recipe");
        return 0;
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
    { "runs", KEY_RUNS, "N", 0, "timed runs of each row; else a second's worth, from 3 to 30", 0 },
    { "recipe", KEY_RECIPE, "NAME", 0, "model: time the steps of this recipe instead; several are timed in turns and compared "
      "with the first", 0 },
    { "set", KEY_SET, "KEY=VALUE", 0, "override one key of the --recipe before it; before any, of all", 0 },
    { 0 },
};
static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 0 }, { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 },
};
const struct argp cmd_bench_argp = {
    options, parse, "[gemm] [conv] [ops] [model]", "Measures kernels and whole training steps.\vTimes are medians; "
    "low and high are the quarters below and above. A share is of the roofline: of the arithmetic peak for products, "
    "convolutions and models, of the copy bandwidth for the rest. It can pass 100 %: Winograd "
    "saves multiplications, and reading costs less than writing. Without a group, all are measured.\n\nA training step "
    "is that of `vkdiv train`, on images of noise (or --set data.train=SPEC); below it stands what its parts take when "
    "it is run list by list. Memory is what training needs of the device, "
    "waits are of the host for the device in the midst of a step.",
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

struct output { const struct bench *bench; json_t *rows, *ratios; bool json; };

// Work decides for what arithmetic bounds, bytes for the rest.
static double share_of(const struct bench *b, const struct bench_row *r)
{
    if (r->work > 0)
        return r->work / r->time.median / 1e9 / b->roof.f32_gflops;
    return r->bytes / r->time.median / 1e9 / b->roof.copy_gb_s;
}

static json_t *parts_json(const struct bench_row *r)
{
    json_t *parts = r->part_count > 0 ? json_object() : json_null();
    for (uint32_t i = 0; i < r->part_count; i++)
        json_object_set_new(parts, r->parts[i].name, json_pack("{s:o, s:o}", "ms", app_json_real(1e3 * r->parts[i].seconds),
                                                               "share", app_json_real(r->parts[i].share)));
    return parts;
}

static json_t *row_json(const struct output *o, const struct bench_row *r)
{
    double gflops = r->work / r->time.median / 1e9, gb_s = r->bytes / r->time.median / 1e9;
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "name", r->name, "shape", r->shape, "dtype", "f32", "variant", r->variant,
                     "ms", app_json_real(1e3 * r->time.median), "ms_low", app_json_real(1e3 * r->time.low),
                     "ms_high", app_json_real(1e3 * r->time.high),
                     "gflops", r->work > 0 ? app_json_real(gflops) : json_null(),
                     "gb_s", r->bytes > 0 ? app_json_real(gb_s) : json_null(), "share", app_json_real(share_of(o->bench, r)),
                     "images_per_second", r->images > 0 ? app_json_real(r->images / r->time.median) : json_null(),
                     "memory_bytes", r->memory > 0 ? app_json_real(r->memory) : json_null(),
                     "waits", r->images > 0 ? json_integer(r->waits) : json_null(), "parts", parts_json(r));
}

static void tell(void *user, const struct bench_row *r)
{
    struct output *o = user;
    double gflops = r->work / r->time.median / 1e9, gb_s = r->bytes / r->time.median / 1e9;
    if (o->json) {
        json_array_append_new(o->rows, row_json(o, r));
        return;
    }
    char rate[32] = "", memory[24];
    if (r->work > 0)
        snprintf(rate, sizeof rate, "%.1f GFLOP/s", gflops);
    else
        snprintf(rate, sizeof rate, "%.1f GB/s", gb_s);
    printf("%-22s %-32s %9.3f ms (%.3f-%.3f) %15s %5.1f %%  ", r->name, r->shape, 1e3 * r->time.median,
           1e3 * r->time.low, 1e3 * r->time.high, rate, 100 * share_of(o->bench, r));
    if (r->images > 0)
        printf("%.0f images/s  ", r->images / r->time.median);
    if (r->memory > 0)
        printf("%s  ", app_bytes(memory, r->memory));
    printf("%s%s%s\n", app_sgr(1, APP_DIM), r->variant, app_sgr(1, APP_PLAIN));
    for (uint32_t i = 0; i < r->part_count; i++)
        printf("  %-52s   %9.3f ms %5.1f %%\n", r->parts[i].name, 1e3 * r->parts[i].seconds, 100 * r->parts[i].share);
    fflush(stdout);
}

static void compare(void *user, const struct bench_ratio *r)
{
    struct output *o = user;
    if (o->json)
        json_array_append_new(o->ratios, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", r->name, "base", r->base,
            "time", app_json_real(r->time.median), "time_low", app_json_real(r->time.low),
            "time_high", app_json_real(r->time.high), "memory", app_json_real(r->memory)));
    else
        printf("%s : %s, per image and view: %s%.3f%s of the time (%.3f-%.3f), %.3f of the memory\n\n", r->name, r->base,
               app_sgr(1, APP_BOLD), r->time.median, app_sgr(1, APP_PLAIN), r->time.low, r->time.high, r->memory);
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
    app_parse(&cmd_bench_argp, argc, argv, &o);
    vkd_device *dev = app_open_device(&o.app, &status);
    if (dev == NULL)
        return status;
    vkd__os_catch_interrupt();
    struct bench b = o.bench;
    struct output out = { .bench = &b, .rows = json_array(), .ratios = json_array(), .json = o.app.json };
    b.dev = dev;
    b.tell = tell;
    b.compare = compare;
    b.user = &out;
    vkd_result r = roofline_measure(dev, true, &b.roof);
    if (r == VKD_OK && !o.app.json)
        print_roofline(vkd_device_caps(dev), &b.roof);
    for (int i = 0; r != VKD_DEVICE_LOST && i < GROUP_COUNT && b.roof.f32_gflops > 0; i++)
        if (o.chosen[i] || !o.any) {
            vkd_result one = groups[i].run(&b);
            r = r == VKD_OK || one == VKD_DEVICE_LOST ? one : r;
        }
    status = app_stop(NULL) ? EXIT_STOPPED : o.bench.recipe_count > 0 ? app_status(r) : r == VKD_OK ? EXIT_DONE : EXIT_FAILED;
    if (o.app.json && app_print_json(json_pack("{s:i, s:s, s:o, s:O, s:O}", "schema", 1, "device",
                                               vkd_device_caps(dev)->name, "roofline", roofline_json(&b.roof),
                                               "results", out.rows, "ratios", out.ratios)) != EXIT_DONE)
        status = EXIT_FAILED;
    json_decref(out.rows);
    json_decref(out.ratios);
    vkd_device_destroy(&dev);
    return status;
}
