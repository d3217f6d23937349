// cmd_bench.c -- vkdiv bench: throughput of kernels and models beside what the device can do at best.
#include "apps/vkdiv/bench.h"

#include "engine/suggest.h"
#include "runtime/os.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What a group is asked for by beside its own name, NULL for nothing else.
static const struct { const char *name, *also; vkd_result (*run)(const struct bench *b); } groups[] = {
    { "roofline", NULL, bench_roofline }, { "gemm", NULL, bench_gemm }, { "conv", NULL, bench_conv },
    { "ops", NULL, bench_ops }, { "optimizer", "ops", bench_optimizers }, { "augment", "ops", bench_augment },
    { "data", NULL, bench_data }, { "model", NULL, bench_models },
};
enum { GROUP_COUNT = sizeof groups / sizeof groups[0] };

struct bench_options {
    struct app_options app;
    bool chosen[GROUP_COUNT], any, markdown;
    const char *old, *from;     // files of results: to compare with, to take instead of measuring
    struct bench bench;
};

enum { KEY_RUNS = 'n', KEY_RECIPE = 'r', KEY_SET = 'S', KEY_ONLY = 0x2001, KEY_COMPARE, KEY_FROM, KEY_MARKDOWN };

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

static void choose(struct bench_options *o, const struct argp_state *state, const char *arg)
{
    const char *names[GROUP_COUNT];
    bool found = false;
    for (int i = 0; i < GROUP_COUNT; i++) {
        names[i] = groups[i].name;
        if (strcmp(arg, groups[i].name) == 0 || (groups[i].also != NULL && strcmp(arg, groups[i].also) == 0) ||
            (strcmp(arg, "data") == 0 && groups[i].run == bench_augment))
            o->chosen[i] = found = o->any = true;
    }
    if (found)
        return;
    const char *near = vkd__suggest(arg, names, GROUP_COUNT);
    app_usage(state, "expected roofline, gemm, conv, ops, optimizer, augment, data or model, found '%s'%s%s%s", arg,
              near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct bench_options *o = state->input;
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
    case KEY_ONLY:
        if (o->bench.only_count == BENCH_ONLY_MAX)
            app_usage(state, "more than %d --only", BENCH_ONLY_MAX);
        o->bench.only[o->bench.only_count++] = arg;
        return 0;
    case KEY_COMPARE:
        o->old = arg;
        return 0;
    case KEY_FROM:
        o->from = arg;
        return 0;
    case KEY_MARKDOWN:
        o->markdown = true;
        return 0;
    case ARGP_KEY_END:
        if (o->bench.set_count > 0 && o->bench.recipe_count == 0)
            app_usage(state, "--set changes what --recipe names: expected a --recipe");
        if (o->from != NULL && o->bench.runs + o->bench.recipe_count > 0)
            app_usage(state, "--from measures nothing: expected no --runs and no --recipe beside it");
        if (o->markdown && o->app.json)
            app_usage(state, "--markdown and --json exclude each other");
        return 0;
    case ARGP_KEY_ARG:
        choose(o, state, arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "runs", KEY_RUNS, "N", 0, "timed runs of each row; else a second's worth, from 3 to 30", 0 },
    { "only", KEY_ONLY, "TEXT", 0, "rows alone whose name or shape has TEXT in it (of model: the recipe's name); "
      "several add up", 0 },
    { "recipe", KEY_RECIPE, "NAME", 0, "model: time the steps of this recipe instead; several are timed in turns and "
      "compared with the first", 0 },
    { "set", KEY_SET, "KEY=VALUE", 0, "override one key of the --recipe before it; before any, of all", 0 },
    { "compare", KEY_COMPARE, "FILE", 0, "measure the rows that FILE has, written by --json, and compare with them",
      0 },
    { "from", KEY_FROM, "FILE", 0, "take the results from FILE, written by --json, instead of measuring", 0 },
    { "markdown", KEY_MARKDOWN, NULL, 0, "print a Markdown table, with the command that makes each row", 0 },
    { 0 },
};
static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 0 }, { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 },
};
const struct argp cmd_bench_argp = {
    options, parse, "[roofline] [gemm] [conv] [ops] [optimizer] [augment] [data] [model]",
    "Measures kernels and whole training steps.\vTimes are medians; "
    "low and high are the quarters below and above. A share is of the roofline: of the arithmetic peak for products, "
    "convolutions and models, of the copy bandwidth for the rest. It can pass 100 %: Winograd "
    "saves multiplications, and reading costs less than writing. Without a group, all are measured; ops has optimizer "
    "and augment with it, data has augment. data reads images from sets that it makes in a temporary folder.\n\n"
    "A training step "
    "is that of `vkdiv train`, on images of noise (or --set data.train=SPEC); below it stands what its parts take when "
    "it is run list by list. Memory is what training needs of the device, "
    "waits are of the host for the device in the midst of a step.\n\n"
    "A comparison is of times, new over old, with the range that the spreads of both leave; what lies beyond both is "
    "called slower or faster, and is no failure. `vkdiv bench --compare A.json --from B.json` compares two files, "
    "`vkdiv bench --from A.json --markdown` makes a table of one.",
    children, NULL, NULL
};

uint32_t bench_runs(const struct bench *b, double seconds)
{
    if (b->runs > 0)
        return b->runs;
    double runs = seconds > 0 ? 1.0 / seconds : 30;
    return runs < 3 ? 3 : runs > 30 ? 30 : (uint32_t)runs;
}

// ---- Results -----------------------------------------------------------------------------------

struct output { const struct bench *bench; const char *group; json_t *rows, *ratios; bool text; };

static void tell(void *user, const struct bench_row *r)
{
    struct output *o = user;
    json_t *row = bench_row_json(o->bench, r, o->group);
    if (o->text)
        bench_print_row(row);
    json_array_append_new(o->rows, row);
}

static void compare(void *user, const struct bench_ratio *r)
{
    struct output *o = user;
    json_array_append_new(o->ratios, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", r->name, "base", r->base,
        "time", app_json_real(r->time.median), "time_low", app_json_real(r->time.low),
        "time_high", app_json_real(r->time.high), "memory", app_json_real(r->memory)));
    if (o->text)
        printf("%s : %s, per image and view: %s%.3f%s of the time (%.3f-%.3f), %.3f of the memory\n\n", r->name,
               r->base, app_sgr(1, APP_BOLD), r->time.median, app_sgr(1, APP_PLAIN), r->time.low, r->time.high,
               r->memory);
    fflush(stdout);
}

static void append(char *text, size_t size, const char *format, ...) VKD_PRINTF(3, 4);
static void append(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

// What gives these rows again.
static void write_command(const struct bench_options *o, char *text, size_t size)
{
    const struct bench *b = &o->bench;
    text[0] = 0;
    append(text, size, "vkdiv bench");
    for (int i = 0; i < GROUP_COUNT && o->any; i++)
        if (o->chosen[i])
            append(text, size, " %s", groups[i].name);
    if (b->runs > 0)
        append(text, size, " --runs %u", b->runs);
    for (uint32_t i = 0; i < b->only_count; i++)
        append(text, size, " --only '%s'", b->only[i]);
    if (o->old != NULL)
        append(text, size, " --compare %s", o->old);
    for (uint32_t r = 0; r <= b->recipe_count; r++) {
        if (r > 0)
            append(text, size, " --recipe %s", b->recipes[r - 1]);
        for (uint32_t i = 0; i < b->set_count; i++)
            if (b->sets[i].recipe == r)
                append(text, size, " --set %s", b->sets[i].text);
    }
}

// ---- Running -----------------------------------------------------------------------------------

// Takes rows of other groups and names than asked for out of a file's results.
static void keep_wanted(const struct bench_options *o, json_t *doc)
{
    json_t *rows = json_object_get(doc, "results");
    for (size_t i = json_array_size(rows); i-- > 0;) {
        const json_t *row = json_array_get(rows, i);
        const char *group = json_string_value(json_object_get(row, "group"));
        bool chosen = !o->any || group == NULL;
        for (int g = 0; !chosen && g < GROUP_COUNT; g++)
            chosen = o->chosen[g] && strcmp(groups[g].name, group) == 0;
        if (!chosen || !bench_wants(&o->bench, json_string_value(json_object_get(row, "name")),
                                    json_string_value(json_object_get(row, "shape"))))
            json_array_remove(rows, i);
    }
}

// Whether a file, that rows are to be compared with, has rows of this group, or does not say.
static bool has_group(const json_t *rows, const char *name)
{
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        const char *group = json_string_value(json_object_get(row, "group"));
        if (group == NULL || strcmp(group, name) == 0)
            return true;
    }
    return rows == NULL;
}

static vkd_result run_groups(const struct bench_options *o, struct bench *b, struct output *out)
{
    vkd_result r = VKD_OK;
    for (int i = 0; r != VKD_DEVICE_LOST && i < GROUP_COUNT && !app_stop(NULL); i++) {
        if ((!o->chosen[i] && o->any) || !has_group(b->old, groups[i].name))
            continue;
        out->group = groups[i].name;
        vkd_result one = groups[i].run(b);
        r = r == VKD_OK || one == VKD_DEVICE_LOST ? one : r;
    }
    return r;
}

// The document of what is measured, or NULL without a device.
static json_t *measure(struct bench_options *o, const json_t *old, enum exit_status *status)
{
    vkd_device *dev = app_open_device(&o->app, status);
    if (dev == NULL)
        return NULL;
    vkd__os_catch_interrupt();
    struct bench b = o->bench;
    struct output out = { .bench = &b, .rows = json_array(), .ratios = json_array(),
                          .text = !o->app.json && !o->markdown };
    char command[1024];
    b.dev = dev;
    b.old = json_object_get(old, "results");
    b.tell = tell;
    b.compare = compare;
    b.user = &out;
    vkd_result r = roofline_measure(dev, true, &b.roof);
    write_command(o, command, sizeof command);
    json_t *doc = bench_head_json(vkd_device_caps(dev), &b.roof, command);
    if (r == VKD_OK && out.text)
        bench_print_head(doc);
    if (r == VKD_OK)
        r = run_groups(o, &b, &out);
    *status = app_stop(NULL) ? EXIT_STOPPED
            : b.recipe_count > 0 ? app_status(r) : r == VKD_OK ? EXIT_DONE : EXIT_FAILED;
    json_object_set_new(doc, "results", out.rows);
    json_object_set_new(doc, "ratios", out.ratios);
    vkd_device_destroy(&dev);
    return doc;
}

static void print_rows(const json_t *doc)
{
    const json_t *row;
    size_t i;
    bench_print_head(doc);
    json_array_foreach(json_object_get(doc, "results"), i, row)
        bench_print_row(row);
}

static json_t *read_wanted(const struct bench_options *o, const char *path)
{
    json_t *doc = bench_read(path);
    keep_wanted(o, doc);
    return doc;
}

enum exit_status cmd_bench(int argc, char **argv)
{
    struct bench_options o = { 0 };
    enum exit_status status = EXIT_DONE;
    json_t *old = NULL, *doc = NULL;
    app_parse(&cmd_bench_argp, argc, argv, &o);
    if (o.old != NULL && (old = read_wanted(&o, o.old)) == NULL)
        return EXIT_USAGE;
    doc = o.from != NULL ? read_wanted(&o, o.from) : measure(&o, old, &status);
    if (doc == NULL) {
        json_decref(old);
        return o.from != NULL ? EXIT_USAGE : status;
    }
    if (old != NULL)
        json_object_set_new(doc, "comparison", bench_compare(old, doc, o.old));
    if (o.app.json) {
        if (app_print_json(json_incref(doc)) != EXIT_DONE)
            status = EXIT_FAILED;
    } else {
        if (o.markdown && old == NULL)
            bench_print_markdown(doc);
        else if (o.from != NULL && old == NULL)
            print_rows(doc);
        if (old != NULL)
            bench_print_compared(json_object_get(doc, "comparison"), o.markdown);
    }
    json_decref(doc);
    json_decref(old);
    return status;
}
