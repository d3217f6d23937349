// cmd_eval.c -- vkdiv eval: accuracy and loss of a trained model on a data set.
#include "apps/vkdiv/app.h"

#include "runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct eval_options {
    struct app_options app;
    const char *path, *data, *split;
    uint32_t batch;
};

enum { KEY_DATA = 'D', KEY_SPLIT = 's', KEY_BATCH = 'b' };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct eval_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 3; i++)
            state->child_inputs[i] = &o->app;
        return 0;
    case KEY_DATA:  o->data = arg; return 0;
    case KEY_SPLIT: o->split = arg; return 0;
    case KEY_BATCH: o->batch = (uint32_t)app_whole(state, "batch", arg, 1, 65536); return 0;
    case ARGP_KEY_ARG:
        if (o->path != NULL)
            app_usage(state, "expected one RUN_OR_CKPT, found '%s' and '%s'", o->path, arg);
        o->path = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        app_usage(state, "expected RUN_OR_CKPT: a run's folder or a .safetensors file");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "data", KEY_DATA, "SPEC", 0, "test on this: idx:DIR, folder:DIR, cifar:DIR or csv:FILE; "
      "else what the run was tested on", 0 },
    { "split", KEY_SPLIT, "NAME", 0, "train, val or test (the default)", 0 },
    { "batch", KEY_BATCH, "N", 0, "images at a time", 0 },
    { 0 },
};
static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 0 }, { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 },
};
const struct argp cmd_eval_argp = {
    options, parse, "RUN_OR_CKPT", "Tests a trained model.\vOf a run's folder, last.safetensors is tested; where the "
    "run chose best.safetensors on a split val, that is.",
    children, NULL, NULL
};

// The set that the model was tested on: --data, else what the run's recipe says. NULL when nothing does.
static json_t *data_spec(const struct eval_options *o)
{
    char path[1200];
    snprintf(path, sizeof path, "%.1100s/run.json", o->path);
    json_t *run = o->data == NULL ? json_load_file(path, 0, NULL) : NULL;
    json_t *data = json_object_get(json_object_get(run, "recipe"), "data"), *spec = json_object_get(data, "test");
    if (!json_is_string(spec))
        spec = json_object_get(data, "train");
    json_t *out = o->data != NULL ? json_string(o->data) : json_is_string(spec) ? json_incref(spec) : json_null();
    json_decref(run);
    return out;
}

static enum exit_status print_json(const struct eval_options *o, const struct vkd_eval_result *e)
{
    json_t *shares = json_array(), *names = json_array();
    for (uint32_t i = 0; i < e->classes; i++) {
        json_array_append_new(shares, app_json_real((double)e->per_class[i]));
        json_array_append_new(names, app_json_text(e->class_names[i]));
    }
    if (e->multi_label)
        return app_print_json(json_pack("{s:i, s:s, s:o, s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "schema", 1,
            "model", o->path, "data", data_spec(o), "split", o->split != NULL ? o->split : "test", "count", (int)e->count,
            "loss", app_json_real((double)e->loss), "map", app_json_real((double)e->map),
            "map11", app_json_real((double)e->map11), "per_label", shares, "class_names", names));
    return app_print_json(json_pack("{s:i, s:s, s:o, s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "schema", 1,
        "model", o->path, "data", data_spec(o), "split", o->split != NULL ? o->split : "test", "count", (int)e->count,
        "loss", app_json_real((double)e->loss), "top1", app_json_real((double)e->top1),
        "top5", app_json_real((double)e->top5), "per_class", shares, "class_names", names));
}

static void print_text(const struct vkd_eval_result *e)
{
    const char *s = e->count == 1 ? "" : "s";
    char name[1024];
    int width = 5;
    for (uint32_t i = 0; i < e->classes; i++)
        if ((int)strlen(e->class_names[i]) > width)
            width = (int)strlen(e->class_names[i]);
    if (e->multi_label)
        printf("%u image%s: mean average precision %s%.2f %%%s, by the 11 points of VOC 2007 %.2f %%, loss %.4f\n\n", e->count, s,
               app_sgr(1, APP_BOLD), 100 * (double)e->map, app_sgr(1, APP_PLAIN), 100 * (double)e->map11, (double)e->loss);
    else
        printf("%u image%s: accuracy %s%.2f %%%s, among the first five %.2f %%, loss %.4f\n\n", e->count, s,
               app_sgr(1, APP_BOLD), 100 * (double)e->top1, app_sgr(1, APP_PLAIN), 100 * (double)e->top5, (double)e->loss);
    for (uint32_t i = 0; i < e->classes; i++)
        if (isnan(e->per_class[i]))
            printf("  %-*s  no images\n", width, app_printable(name, sizeof name, e->class_names[i]));
        else
            printf("  %-*s  %6.2f %%\n", width, app_printable(name, sizeof name, e->class_names[i]), 100 * (double)e->per_class[i]);
}

// A path or data set that cannot be read is bad input, and evaluation writes nothing.
static enum exit_status status_of(vkd_result r)
{
    return r == VKD_IO ? EXIT_USAGE : app_status(r);
}

enum exit_status cmd_eval(int argc, char **argv)
{
    struct eval_options o = { 0 };
    enum exit_status status;
    app_parse(&cmd_eval_argp, argc, argv, &o);
    if (vkd__path_kind(o.path, NULL, NULL) == VKD__PATH_NONE) {
        app_error("%s: no such run or file", o.path);
        return EXIT_USAGE;
    }
    vkd_device *dev = app_open_device(&o.app, &status);
    if (dev == NULL)
        return status;
    struct app_progress progress;
    app_progress_init(&progress);
    progress.quiet = true;
    vkd__os_catch_interrupt();
    struct vkd_eval_params p = {
        .path = o.path, .data = o.data, .split = o.split, .batch = o.batch,
        .progress = app_progress_show, .stop = app_stop, .user = &progress,
    };
    struct vkd_eval_result result;
    vkd_result r = vkd_eval(dev, &p, &result);
    app_progress_clear();
    status = status_of(r);
    if (r == VKD_OK) {
        if (o.app.json)
            status = print_json(&o, &result);
        else
            print_text(&result);
        vkd_eval_result_finish(&result);
    } else {
        app_ended("evaluation ended", r);
    }
    vkd_device_destroy(&dev);
    return status;
}
