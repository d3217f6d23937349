// cmd_diversity.c -- vkdiv diversity: how diverse models' filters are.
#include "apps/vkdiv/diversity.h"

#include "runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS_MAX = 256 };

struct diversity_options {
    struct app_options app;
    const char *paths[MODELS_MAX];
    uint32_t path_count;
    bool fold, partial;
    struct vkd_null_params null;
};

enum { KEY_THRESHOLD = 't', KEY_FOLD = 0x2001, KEY_PARTIAL, KEY_DRAWS, KEY_SEED };

// Numbers separated by commas, ascending.
static void parse_thresholds(struct diversity_options *o, const char *arg, struct argp_state *state)
{
    const char *at = arg;
    o->null.threshold_count = 0;
    do {
        char *end;
        double value = strtod(at, &end), before = o->null.threshold_count ? o->null.thresholds[o->null.threshold_count - 1] : 0;
        if (end == at || (*end != 0 && *end != ',') || !(value > before && value < 2))
            app_usage(state, "--threshold: expected distances 1 - cos above 0 and below 2, ascending, as .1,.3; found '%s'", arg);
        if (o->null.threshold_count == VKD_THRESHOLDS_MAX)
            app_usage(state, "--threshold: expected at most %d, found '%s'", VKD_THRESHOLDS_MAX, arg);
        o->null.thresholds[o->null.threshold_count++] = value;
        at = end + 1;
    } while (at[-1] == ',');
}

static uint64_t parse_number(const char *arg, uint64_t low, uint64_t high, const char *option, struct argp_state *state)
{
    char *end;
    unsigned long long n = strtoull(arg, &end, 10);
    if (end == arg || *end != 0 || arg[0] == '-' || n < low || n > high)
        app_usage(state, "--%s: expected a number from %llu to %llu, found '%s'", option, (unsigned long long)low,
                  (unsigned long long)high, arg);
    return n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct diversity_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 2; i++)
            state->child_inputs[i] = &o->app;
        return 0;
    case KEY_THRESHOLD: parse_thresholds(o, arg, state); return 0;
    case KEY_FOLD:      o->fold = true; return 0;
    case KEY_PARTIAL:   o->partial = true; return 0;
    case KEY_DRAWS:     o->null.draws = (uint32_t)parse_number(arg, 1, 64, "draws", state); return 0;
    case KEY_SEED:      o->null.seed = parse_number(arg, 0, INT64_MAX, "seed", state); return 0;
    case ARGP_KEY_ARG:
        if (o->path_count == MODELS_MAX)
            app_usage(state, "expected at most %d models", MODELS_MAX);
        o->paths[o->path_count++] = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        app_usage(state, "expected RUN_OR_CKPT: a run's folder or a .safetensors file");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "threshold", KEY_THRESHOLD, "T,...", 0, "count clusters at these distances 1 - cos (.1 to .7), besides the calibrated "
      "one", 0 },
    { "fold-bn", KEY_FOLD, NULL, 0, "multiply filters by their batch norm's scale first", 0 },
    { "partial", KEY_PARTIAL, NULL, 0, "measure what there is of a model whose file lacks some of it", 0 },
    { "draws", KEY_DRAWS, "N", 0, "layers of random filters that a null is the mean of (3)", 0 },
    { "seed", KEY_SEED, "N", 0, "of the random filters (0)", 0 },
    { 0 },
};
static const struct argp_child children[] = { { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 } };
static const struct argp argp = {
    options, parse, "RUN_OR_CKPT...",
    "Measures how diverse the filters of each layer are, beside random ones of the same shape.\v"
    "A model is a run's folder (its best.safetensors), or the safetensors file of a ResNet-18, -34, -50 or MobileNetV2 in "
    "the names of torchvision or timm. No device is needed.\n\n"
    "Filters are clustered by average linkage on 1 - cos. The calibrated threshold of a layer is the distance at which "
    "random filters of its shape make the merge that leaves them with fewer than 95 % of their clusters.\n\n"
    "--json prints layers and aggregate of one model, and of several `models`, a list of such objects. In aggregate, "
    "means over filters, ranks are shares of min(filters, fan_in) and clusters shares of filters.",
    children, NULL, NULL
};

static void show_layer(void *user, uint32_t layer, uint32_t layers)
{
    char text[64];
    snprintf(text, sizeof text, "measuring layer %u of %u", layer + 1, layers);
    app_progress_note(user, text);
}

// A model that cannot be read is bad input.
static enum exit_status status_of(vkd_result r)
{
    return r == VKD_IO ? EXIT_USAGE : app_status(r);
}

static enum exit_status measure(const struct diversity_options *o, vkd_filter_nulls *nulls, json_t *models)
{
    struct app_progress progress;
    app_progress_init(&progress);
    for (uint32_t i = 0; i < o->path_count; i++) {
        struct vkd_diversity d;
        vkd_result r = vkd_diversity_measure(nulls, &(struct vkd_diversity_params){
            .path = o->paths[i], .fold_norm = o->fold, .partial = o->partial, .log = app_log(&o->app),
            .progress = show_layer, .stop = app_stop, .user = &progress }, &d);
        app_progress_clear();
        if (r != VKD_OK) {
            app_ended("measuring ended", r);
            if (r == VKD_FORMAT && !o->partial)
                fprintf(stderr, "--partial measures the layers that fit of a model whose file lacks others.\n");
            return status_of(r);
        }
        if (o->app.json) {
            json_array_append_new(models, diversity_json(o->paths[i], &d));
        } else {
            fputs(i > 0 ? "\n" : "", stdout);
            diversity_print(o->paths[i], &d);
        }
        vkd_diversity_finish(&d);
    }
    return EXIT_DONE;
}

// One model's object as the document, or a list of them.
static enum exit_status print_json(json_t *models)
{
    json_t *doc = json_object();
    if (json_array_size(models) == 1)
        json_object_update(doc, json_array_get(models, 0));
    else
        json_object_set(doc, "models", models);
    json_object_set_new(doc, "schema", json_integer(1));
    return app_print_json(doc);
}

enum exit_status cmd_diversity(int argc, char **argv)
{
    struct diversity_options o = { .path_count = 0 };
    app_parse(&argp, argc, argv, &o);
    for (uint32_t i = 0; i < o.path_count; i++) {
        if (vkd__path_kind(o.paths[i], NULL, NULL) == VKD__PATH_NONE) {
            app_error("%s: no such run or file", o.paths[i]);
            return EXIT_USAGE;
        }
    }
    vkd__os_catch_interrupt();
    vkd_filter_nulls *nulls = NULL;
    o.null.log = app_log(&o.app);
    vkd_result r = vkd_filter_nulls_create(&o.null, &nulls);
    if (r != VKD_OK)
        return app_status(r);
    json_t *models = json_array();
    enum exit_status status = measure(&o, nulls, models);
    if (status == EXIT_DONE && o.app.json)
        status = print_json(models);
    json_decref(models);
    vkd_filter_nulls_destroy(&nulls);
    return status;
}
