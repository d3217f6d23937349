// cmd_features.c -- vkdiv features: what a model makes of images, as a file for other programs.
#include "apps/vkdiv/app.h"

#include "runtime/os.h"

#include <vkdiv/features.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct features_options {
    struct app_options app;
    const char *path, *data, *split, *layer, *out;
    uint32_t images, batch;
    bool partial;
};

enum { KEY_DATA = 'D', KEY_SPLIT = 's', KEY_LAYER = 'l', KEY_OUT = 'o', KEY_IMAGES = 'n', KEY_BATCH = 'b',
       KEY_PARTIAL = 0x2501 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct features_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 3; i++)
            state->child_inputs[i] = &o->app;
        return 0;
    case KEY_DATA:   o->data = arg; return 0;
    case KEY_SPLIT:  o->split = arg; return 0;
    case KEY_LAYER:  o->layer = arg; return 0;
    case KEY_OUT:    o->out = arg; return 0;
    case KEY_PARTIAL: o->partial = true; return 0;
    case KEY_IMAGES: o->images = (uint32_t)app_whole(state, "images", arg, 1, 1 << 24); return 0;
    case KEY_BATCH:  o->batch = (uint32_t)app_whole(state, "batch", arg, 1, 65536); return 0;
    case ARGP_KEY_ARG:
        if (o->path != NULL)
            app_usage(state, "expected one RUN_OR_CKPT, found '%s' and '%s'", o->path, arg);
        o->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->path == NULL)
            app_usage(state, "expected RUN_OR_CKPT: a run's folder or a .safetensors file");
        if (o->data == NULL)
            app_usage(state, "expected --data SPEC: idx:DIR, folder:DIR, cifar:DIR or csv:FILE");
        if (o->out == NULL)
            app_usage(state, "expected -o FILE: where to write the features");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "data", KEY_DATA, "SPEC", 0, "images: idx:DIR, folder:DIR, cifar:DIR or csv:FILE", 0 },
    { "split", KEY_SPLIT, "NAME", 0, "train, val, test (the default), or all of a set that is not divided", 0 },
    { "layer", KEY_LAYER, "NAME", 0, "a module's output averaged over the image, as layer3 or features.7; else what stands "
      "before the classifier", 0 },
    { "output", KEY_OUT, "FILE", 0, "safetensors file to write", 0 },
    { "images", KEY_IMAGES, "N", 0, "the first N of the split, not all", 0 },
    { "batch", KEY_BATCH, "N", 0, "images at a time", 0 },
    { "partial", KEY_PARTIAL, NULL, 0, "take a file that has other tensors besides the model's, or no classifier", 0 },
    { 0 },
};
static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 0 }, { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 },
};
const struct argp cmd_features_argp = {
    options, parse, "RUN_OR_CKPT",
    "Writes what a model makes of images: features (N, D), labels and paths.\v"
    "The file has the tensors `features` F32 (N, D), `labels` I64 (N; -1: none), of a set with several labels an image "
    "`targets` F32 (N, classes; -1: unknown), and `paths` U8: the images' names, each ended by a 0 byte. Class names are in the "
    "metadata as a JSON list. In Python:\n\n"
    "  t = safetensors.numpy.load_file(\"features.safetensors\")\n"
    "  paths = t[\"paths\"].tobytes().split(b\"\\0\")[:-1]\n\n"
    "Example:\n"
    "  vkdiv features runs/simclr --data folder:pets -o pets.safetensors --layer layer3",
    children, NULL, NULL
};

static void show_batch(void *user, uint32_t batch, uint32_t batches)
{
    app_progress_work(user, "features", batch, batches);
}

static enum exit_status print(const struct features_options *o, const struct vkd_features *f)
{
    const char *split = o->split != NULL ? o->split : "test", *layer = o->layer != NULL ? o->layer : "features";
    if (o->app.json)
        return app_print_json(json_pack("{s:i, s:o, s:o, s:s, s:o, s:o, s:i, s:i}", "schema", 1, "model",
            app_json_text(o->path), "data", app_json_text(o->data), "split", split, "layer", app_json_text(layer), "path",
            app_json_text(o->out), "count", (int)f->rows, "dim", (int)f->dim));
    printf("%s: %u features of %u images (%s of %s)\n", o->out, f->dim, f->rows, split, o->data);
    return EXIT_DONE;
}

enum exit_status cmd_features(int argc, char **argv)
{
    struct features_options o = { .images = VKD_ALL_IMAGES };
    enum exit_status status;
    app_parse(&cmd_features_argp, argc, argv, &o);
    if (vkd__path_kind(o.path, NULL, NULL) == VKD__PATH_NONE) {
        app_error("%s: no such run or file", o.path);
        return EXIT_USAGE;
    }
    status = app_check_output(o.out);
    if (status != EXIT_DONE)
        return status;
    vkd_device *dev = app_open_device(&o.app, &status);
    if (dev == NULL)
        return status;
    struct app_progress progress;
    struct vkd_features f;
    const struct vkd_log log = app_log(&o.app);
    app_progress_init(&progress);
    vkd__os_catch_interrupt();
    struct vkd_features_params p = {
        .path = o.path, .partial = o.partial, .data = o.data, .split = o.split, .images = o.images,
        .layers = &o.layer, .layer_count = 1, .batch = o.batch, .progress = show_batch, .stop = app_stop, .user = &progress,
    };
    vkd_result r = vkd_features_extract(dev, &p, &f);
    app_progress_clear();
    status = r == VKD_IO ? EXIT_USAGE : app_status(r);
    if (r == VKD_OK) {
        r = vkd_features_save(&f, &p, o.out, &log);
        status = r == VKD_OK ? print(&o, &f) : app_status(r);
        vkd_features_finish(&f);
    }
    if (r != VKD_OK)
        app_ended("extraction ended", r);
    vkd_device_destroy(&dev);
    return status;
}
