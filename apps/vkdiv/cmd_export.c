// cmd_export.c -- vkdiv export: a trained model in a file for other programs.
#include "apps/vkdiv/app.h"

#include "engine/run_folder.h"
#include "engine/suggest.h"
#include "runtime/os.h"

#include <stdio.h>
#include <string.h>
#include <vkdiv/model.h>
#include <vkdiv/weights.h>

struct export_options {
    struct app_options app;
    const char *path, *out, *format, *names;
};

enum { KEY_OUT = 'o', KEY_FORMAT = 'f', KEY_NAMES = 'n' };

// Refuses a value that is not the one there is.
static void expect(const struct argp_state *state, const char *option, const char *value, const char *only)
{
    const char *near = vkd__suggest(value, &only, 1);
    if (strcmp(value, only) != 0)
        app_usage(state, "--%s: expected %s, found '%s'%s%s%s", option, only, value, near ? "; did you mean '" : "",
                  near ? near : "", near ? "'?" : "");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct export_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->child_inputs[1] = &o->app;
        return 0;
    case KEY_OUT:    o->out = arg; return 0;
    case KEY_FORMAT: expect(state, "format", arg, "safetensors"); o->format = arg; return 0;
    case KEY_NAMES:  expect(state, "names", arg, "torchvision"); o->names = arg; return 0;
    case ARGP_KEY_ARG:
        if (o->path != NULL)
            app_usage(state, "expected one RUN_OR_CKPT, found '%s' and '%s'", o->path, arg);
        o->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->path == NULL || o->out == NULL)
            app_usage(state, "expected RUN_OR_CKPT and -o FILE");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "output", KEY_OUT, "FILE", 0, "what to write", 0 },
    { "format", KEY_FORMAT, "FORMAT", 0, "safetensors (the default)", 0 },
    { "names", KEY_NAMES, "SCHEME", 0, "how tensors are called: torchvision (the default)", 0 },
    { 0 },
};
static const struct argp_child children[] = { { &app_device_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 } };
const struct argp cmd_export_argp = {
    options, parse, "RUN_OR_CKPT -o FILE", "Writes a trained model for other programs.\vThe file's tensors have "
    "torchvision's names and layouts: load_state_dict(strict=True) takes them. Of a run's folder, last.safetensors is "
    "exported; where the run chose best.safetensors on a split val, that is. Every tensor is read, checked against the "
    "model and written anew, so that a broken file is refused.",
    children, NULL, NULL
};

// Every parameter of `in`'s model goes through the device, so that nothing unchecked gets out.
static vkd_result convert(vkd_device *dev, const char *in, const char *out, struct vkd_weights_info *info)
{
    const struct vkd_log *log = vkd_device_log(dev);
    vkd_graph *g = NULL;
    vkd_params *params = NULL;
    vkd_result r = vkd_weights_info(in, log, info);
    if (r == VKD_OK)
        r = vkd_graph_create(log, &g);
    if (r == VKD_OK) {
        struct vkd_shape shape = {{ 1, info->size, info->size, info->channels }};
        (void)vkd_model_build(g, vkd_input(g, "images", VKD_F32, shape), &(struct vkd_model_params){
            .arch = info->arch, .width = info->width, .cifar_stem = info->cifar_stem, .classes = info->classes,
            .dropout = -1,
        });
        r = vkd_graph_error(g) != NULL ? VKD_FORMAT : VKD_OK;
    }
    if (r == VKD_OK)
        r = vkd_params_create(dev, g, false, &params);
    if (r == VKD_OK)
        r = vkd_weights_load(dev, params, in, false);
    if (r == VKD_OK)
        r = vkd_weights_save(dev, params, info, out);
    vkd_params_destroy(&params);
    vkd_graph_destroy(&g);
    return r;
}

enum exit_status cmd_export(int argc, char **argv)
{
    struct export_options o = { .app.any_device = true };
    struct vkd_weights_info info;
    enum exit_status status;
    char in[1200], size_text[24];
    uint64_t size = 0;
    app_parse(&cmd_export_argp, argc, argv, &o);
    vkd__model_path(o.path, in, sizeof in);
    if (vkd__path_kind(in, NULL, NULL) == VKD__PATH_NONE) {
        app_error("%s: no such run or file", in);
        return EXIT_USAGE;
    }
    vkd_device *dev = app_open_device(&o.app, &status);
    if (dev == NULL)
        return status;
    vkd_result r = convert(dev, in, o.out, &info);
    if (r == VKD_OK) {
        (void)vkd__path_kind(o.out, &size, NULL);
        printf("%s: %s of width %u for %u class%s of %u x %u pixels, %s\n", o.out, info.arch, info.width, info.classes,
               info.classes == 1 ? "" : "es",
               info.size, info.size, app_bytes(size_text, (double)size));
    } else {
        app_ended("nothing was exported", r);
    }
    vkd_device_destroy(&dev);
    return r == VKD_IO ? app_output_status(o.out) : app_status(r);
}
