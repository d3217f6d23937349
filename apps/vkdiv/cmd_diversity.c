// cmd_diversity.c -- vkdiv diversity: how diverse models' filters and features are.
#include "apps/vkdiv/diversity.h"

#include "engine/model_file.h"
#include "engine/diversity_json.h"
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
    bool fold, partial, cka;
    const char *data, *split, *layers;
    uint32_t images, views, batch;
    struct vkd_null_params null;
};

enum { KEY_THRESHOLD = 't', KEY_FOLD = 0x2001, KEY_PARTIAL, KEY_DRAWS, KEY_SEED, KEY_CKA,
       KEY_DATA = 'D', KEY_SPLIT = 's', KEY_IMAGES = 'n', KEY_VIEWS = 0x2101, KEY_BATCH = 'b',
       KEY_LAYER = 'l' };

static void parse_thresholds(struct diversity_options *o, const char *arg, struct argp_state *state)
{
    double *values = o->null.thresholds;
    o->null.threshold_count = app_reals(state, "threshold", arg, (struct app_range){ 0, 2, true }, values, VKD_THRESHOLDS_MAX);
    for (uint32_t i = 1; i < o->null.threshold_count; i++)
        if (!(values[i] > values[i - 1]))
            app_usage(state, "--threshold: expected distances 1 - cos above 0 and below 2, ascending, as .1,.3; found '%s'", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct diversity_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 3; i++)
            state->child_inputs[i] = &o->app;
        return 0;
    case KEY_THRESHOLD: parse_thresholds(o, arg, state); return 0;
    case KEY_FOLD:      o->fold = true; return 0;
    case KEY_PARTIAL:   o->partial = true; return 0;
    case KEY_DRAWS:     o->null.draws = (uint32_t)app_whole(state, "draws", arg, 1, 64); return 0;
    case KEY_SEED:      o->null.seed = app_whole(state, "seed", arg, 0, INT64_MAX); return 0;
    case KEY_DATA:      o->data = arg; return 0;
    case KEY_SPLIT:     o->split = arg; return 0;
    case KEY_IMAGES:    o->images = (uint32_t)app_whole(state, "images", arg, 2, 1 << 24); return 0;
    case KEY_VIEWS:     o->views = (uint32_t)app_whole(state, "views", arg, 0, 64); return 0;
    case KEY_BATCH:     o->batch = (uint32_t)app_whole(state, "batch", arg, 1, 65536); return 0;
    case KEY_CKA:       o->cka = true; return 0;
    case KEY_LAYER:     o->layers = arg; return 0;
    case ARGP_KEY_END:
        if (o->layers != NULL && o->data == NULL)
            app_usage(state, "--layer says of which layers features are: give --data SPEC");
        if (o->cka && o->data == NULL)
            app_usage(state, "--cka compares features: give --data SPEC");
        return 0;
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
    { "data", KEY_DATA, "SPEC", 0, "measure features too, of these images: idx:DIR, folder:DIR, cifar:DIR or csv:FILE", 0 },
    { "split", KEY_SPLIT, "NAME", 0, "train, val or test (the default)", 0 },
    { "images", KEY_IMAGES, "N", 0, "the first N of the split (2000)", 0 },
    { "views", KEY_VIEWS, "N", 0, "random views of each image for LiDAR (10); 0 leaves it out", 0 },
    { "layer", KEY_LAYER, "NAME,...", 0, "features of these layers, averaged over the image, as layer3 or "
      "features.7; all: the ends of all stages; else features, what stands before the classifier", 0 },
    { "cka", KEY_CKA, NULL, 0, "compare the features of all models with each other (of the last --layer); of one model, those "
      "of its layers", 0 },
    { "batch", KEY_BATCH, "N", 0, "images at a time", 0 },
    { "threshold", KEY_THRESHOLD, "T,...", 0, "count clusters at these distances 1 - cos (.1 to .7), besides the calibrated "
      "one", 0 },
    { "fold-bn", KEY_FOLD, NULL, 0, "multiply filters by their batch norm's scale first", 0 },
    { "partial", KEY_PARTIAL, NULL, 0, "measure what there is of a model whose file lacks some of it, or has other "
      "tensors besides; features need all but the classifier", 0 },
    { "draws", KEY_DRAWS, "N", 0, "layers of random filters, and untrained networks, that a null is the mean of (3)", 0 },
    { "seed", KEY_SEED, "N", 0, "of the random filters and networks (0)", 0 },
    { 0 },
};
static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 0 }, { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 },
};
const struct argp cmd_diversity_argp = {
    options, parse, "RUN_OR_CKPT...",
    "Measures how diverse the filters of each layer are, beside random ones of the same shape, and with --data how "
    "diverse the features are, beside those of untrained networks.\v"
    "A model is a run's folder (its last weights; its best where it chose them on a split val), or the safetensors file of "
    "a ResNet-18, -34, -50 or MobileNetV2 in the names of torchvision or timm. Features need a device; filters do without, "
    "but use a GPU that is there.\n\n"
    "Filters are clustered by average linkage on 1 - cos. The calibrated threshold of a layer is the distance at which "
    "random filters of its shape make the merge that leaves them with fewer than 95 % of their clusters.\n\n"
    "Features are measured beside their null, too: the mean over untrained networks of the same architecture, width, stem "
    "and input size on the same images. It is kept in a run's folder (diversity-null.json) for other calls. Channels are "
    "clustered by their values over the images, centred; the calibrated distance leaves untrained networks half as many clusters "
    "as channels.\n\n"
    "--json prints layers and aggregate of one model, and of several `models`, a list of such objects. In aggregate, "
    "means over filters, ranks are shares of min(filters, fan_in) and clusters shares of filters. With --data there is `features`, "
    "of other layers `feature_layers`, and of several `feature_aggregate`. With --cka there is "
    "`cka`, a list of rows, or of one model `cka_layers`: its `layers` and their `values`.",
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

static void show_batch(void *user, uint32_t batch, uint32_t batches)
{
    char text[64];
    snprintf(text, sizeof text, "features: batch %u of %u", batch, batches);
    app_progress_note(user, text);
}

static void show_null(void *user, uint32_t batch, uint32_t batches)
{
    char text[64];
    snprintf(text, sizeof text, "untrained networks: batch %u of %u", batch, batches);
    app_progress_note(user, text);
}

// Names of layers, in the order of the command line, or of the model.
struct layer_list {
    uint32_t count;
    char names[VKD_STAGES_MAX][VKD_LAYER_NAME];
};

struct measuring {
    const struct diversity_options *o;
    vkd_filter_nulls *nulls;
    vkd_device *dev;                // NULL without --data, unless there is a GPU
    uint32_t at;                    // the model being looked at
    struct app_progress progress;
    struct layer_list *lists;       // of each model
    struct vkd_features *features;  // of all models, where they are to be compared
    struct vkd_layers_cka layers;   // of the only one
    struct diversity_summary *summaries;
    json_t *models;
};

static const char *split_of(const struct diversity_options *o)
{
    return o->split != NULL ? o->split : "test";
}

static vkd_result measure_filters(struct measuring *m, uint32_t index, json_t **row)
{
    const struct diversity_options *o = m->o;
    const char *path = o->paths[index];
    struct diversity_summary *s = &m->summaries[index];
    struct vkd_diversity d;
    vkd_result r = vkd_diversity_measure(m->nulls, &(struct vkd_diversity_params){
        .path = path, .fold_norm = o->fold, .partial = o->partial, .log = app_log(&o->app),
        .progress = show_layer, .stop = app_stop, .user = &m->progress }, &d);
    app_progress_clear();
    if (r != VKD_OK)
        return r;
    if (o->app.json)
        *row = vkd__diversity_json(path, &d);
    else
        diversity_print(path, &d);
    *s = (struct diversity_summary){ .path = path, .threshold_count = d.threshold_count };
    memcpy(s->kinds, d.kinds, sizeof s->kinds);
    vkd_diversity_finish(&d);
    return VKD_OK;
}

// ---- Features ----

static struct vkd_features_params params_of(struct measuring *m, uint32_t index)
{
    const struct diversity_options *o = m->o;
    return (struct vkd_features_params){
        .path = o->paths[index], .partial = o->partial, .data = o->data, .split = o->split, .images = o->images, .views = o->views,
        .batch = o->batch, .progress = show_batch, .stop = app_stop, .user = &m->progress };
}

// The names that --layer lists; of `all` the ends of the model's stages, the last of which stands for features.
static vkd_result list_layers(const struct diversity_options *o, const char *path, struct layer_list *out)
{
    const struct vkd_log quiet = app_log_quiet(), log = app_log(&o->app);
    const char *at = o->layers != NULL ? o->layers : "features";
    struct layer_list l = { .count = 0 };
    if (strcmp(at, "all") == 0) {
        vkd_result r = vkd_model_layers(path, o->partial, &quiet, l.names, &l.count);
        if (r != VKD_OK)
            return vkd_model_layers(path, o->partial, &log, l.names, &l.count);     // says why
        snprintf(l.names[l.count - 1], VKD_LAYER_NAME, "features");
        *out = l;
        return VKD_OK;
    }
    for (bool more = true; more; at += strcspn(at, ",") + more) {
        const size_t length = strcspn(at, ",");
        more = at[length] == ',';
        if (length == 0 || length >= VKD_LAYER_NAME || l.count == VKD_STAGES_MAX) {
            app_error("--layer: expected at most %d names like layer2,layer3, or all; found '%s'", VKD_STAGES_MAX, o->layers);
            return VKD_INVALID;
        }
        snprintf(l.names[l.count++], VKD_LAYER_NAME, "%.*s", (int)length, at);
    }
    *out = l;
    return VKD_OK;
}

// A number of layers from `first` on, as many as a pass gives.
static void set_layers(const struct layer_list *l, uint32_t first, const char *names[VKD_LAYERS_MAX],
                       struct vkd_features_params *p)
{
    p->layers = names;
    for (p->layer_count = 0; p->layer_count < VKD_LAYERS_MAX && first + p->layer_count < l->count; p->layer_count++)
        names[p->layer_count] = l->names[first + p->layer_count];
}

// Models, images and layers of all, before there is any work.
static vkd_result check_features(struct measuring *m)
{
    const char *names[VKD_LAYERS_MAX];
    vkd_result r = VKD_OK;
    for (m->at = 0; r == VKD_OK && m->at < m->o->path_count; m->at++) {
        struct layer_list *l = &m->lists[m->at];
        r = list_layers(m->o, m->o->paths[m->at], l);
        for (uint32_t first = 0; r == VKD_OK && first < l->count; first += VKD_LAYERS_MAX) {
            struct vkd_features_params p = params_of(m, m->at);
            set_layers(l, first, names, &p);
            r = vkd_features_check(m->dev, &p);
        }
        if (r != VKD_OK)
            return r;
    }
    return VKD_OK;
}

// The nulls that a run's folder has, or gets.
static vkd_result measure_null(struct measuring *m, const struct vkd_features_params *p, const struct vkd_features *f)
{
    const struct vkd_log log = app_log(&m->o->app);
    const bool folder = vkd__path_kind(p->path, NULL, NULL) == VKD__PATH_DIR;
    struct vkd_features_params null = *p;
    null.progress = show_null;
    vkd_result r = folder ? vkd__feature_nulls_load(m->nulls, p->path, &log) : VKD_OK;
    if (r == VKD_OK)
        r = vkd_features_null(m->nulls, m->dev, &null);
    app_progress_clear();
    return r == VKD_OK && folder ? vkd__feature_nulls_save(m->nulls, f, p->layer_count, p->path, &log, VKD_LOG_INFO) : r;
}

// Layers of one pass: `d` gets what is measured, `list` its JSON; *kept the last layer's features, where they are wanted.
static vkd_result measure_pass(struct measuring *m, const struct vkd_features_params *p, struct vkd_feature_diversity *d,
                               json_t *list, struct vkd_features *kept)
{
    const struct diversity_options *o = m->o;
    const struct vkd_log log = app_log(&o->app);
    struct vkd_features f[VKD_LAYERS_MAX];
    vkd_result r = vkd_features_extract(m->dev, p, f);
    app_progress_clear();
    if (r != VKD_OK)
        return r;
    r = measure_null(m, p, f);
    for (uint32_t l = 0; r == VKD_OK && l < p->layer_count; l++) {
        r = vkd_features_measure(m->nulls, &f[l], &log, &d[l]);
        if (r == VKD_OK && o->app.json)
            json_array_append_new(list, vkd__features_json(&f[l], &d[l], o->data, split_of(o)));
    }
    if (r == VKD_OK && !o->app.json && p->layer_count == 1 && o->layers == NULL)
        diversity_print_features(&f[0], &d[0], o->data, split_of(o));
    for (uint32_t l = 0; l < p->layer_count; l++) {
        if (r == VKD_OK && kept != NULL && l + 1 == p->layer_count) {
            vkd_features_finish(kept);
            free(f[l].view_values);
            f[l].view_values = NULL;
            *kept = f[l];
        } else {
            vkd_features_finish(&f[l]);
        }
    }
    return r;
}

// The layer "features" under its own name, others as a list.
static void add_json(json_t *row, const json_t *list, const struct vkd_features_aggregate *a)
{
    json_t *others = json_array(), *one;
    size_t i;
    json_array_foreach(list, i, one) {
        if (strcmp(json_string_value(json_object_get(one, "layer")), "features") == 0)
            json_object_set(row, "features", one);
        else
            json_array_append(others, one);
    }
    if (json_array_size(others) > 0)
        json_object_set(row, "feature_layers", others);
    json_decref(others);
    if (json_array_size(list) > 1)
        json_object_set_new(row, "feature_aggregate", vkd__features_aggregate_json(a));
}

// Also keeps the features of model `index` when models are compared.
static vkd_result measure_features(struct measuring *m, uint32_t index, json_t *row)
{
    const struct diversity_options *o = m->o;
    const struct layer_list *l = &m->lists[index];
    struct vkd_feature_diversity *d = calloc(l->count, sizeof *d);
    struct vkd_features_aggregate a;
    const char *names[VKD_LAYERS_MAX];
    json_t *list = json_array();
    vkd_result r = d != NULL ? VKD_OK : VKD_NO_MEMORY;
    for (uint32_t first = 0; r == VKD_OK && first < l->count; first += VKD_LAYERS_MAX) {
        struct vkd_features_params p = params_of(m, index);
        set_layers(l, first, names, &p);
        r = measure_pass(m, &p, d + first, list, m->features != NULL ? &m->features[index] : NULL);
    }
    if (r == VKD_OK) {
        vkd_features_average(d, l->count, &a);
        m->summaries[index].features = d[l->count - 1];
        m->summaries[index].has_features = true;
        if (o->app.json)
            add_json(row, list, &a);
        else if (o->layers != NULL)
            diversity_print_feature_layers(d, l->count, &a, o->data, split_of(o));
    }
    json_decref(list);
    free(d);
    return r;
}

static vkd_result compare(struct measuring *m, double *values)
{
    const uint32_t count = m->o->path_count;
    const struct vkd_log log = app_log(&m->o->app);
    vkd_products *products = NULL;
    vkd_result r = vkd_products_create(m->dev, &products);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; r == VKD_OK && j <= i; j++) {
            r = vkd_features_cka(&m->features[i], &m->features[j], products, &log, &values[(size_t)i * count + j]);
            values[(size_t)j * count + i] = values[(size_t)i * count + j];
        }
    vkd_products_destroy(&products);
    return r;
}

static vkd_result compare_layers(struct measuring *m)
{
    const struct diversity_options *o = m->o;
    vkd_result r = vkd_layers_cka(m->dev, &(struct vkd_features_params){
        .path = o->paths[0], .partial = o->partial, .data = o->data, .split = o->split, .images = o->images, .batch = o->batch,
        .progress = show_batch, .stop = app_stop, .user = &m->progress }, &m->layers);
    app_progress_clear();
    return r;
}

// `cka`: of models, or of the only one's layers; NULL: none.
static enum exit_status print_json(json_t *models, json_t *cka)
{
    json_t *doc = json_object();
    if (json_array_size(models) == 1)
        json_object_update(doc, json_array_get(models, 0));
    else
        json_object_set(doc, "models", models);
    if (cka != NULL)
        json_object_set_new(doc, json_array_size(models) == 1 ? "cka_layers" : "cka", cka);
    json_object_set_new(doc, "schema", json_integer(1));
    return app_print_json(doc);
}

static vkd_result measure(struct measuring *m, double *cka)
{
    vkd_result r = m->o->data != NULL ? check_features(m) : VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && i < m->o->path_count; i++) {
        json_t *row = NULL;
        m->at = i;
        if (i > 0 && !m->o->app.json)
            putchar('\n');
        r = measure_filters(m, i, &row);
        if (r == VKD_OK && m->o->data != NULL)
            r = measure_features(m, i, row);
        if (row != NULL)
            json_array_append_new(m->models, row);
    }
    if (r != VKD_OK || m->features == NULL)
        return r;
    return m->o->path_count > 1 ? compare(m, cka) : compare_layers(m);
}

// Whether some tensors fit of a file that is no whole model.
static bool is_partial(const char *path)
{
    const struct vkd_log quiet = app_log_quiet();
    struct vkd__model_file m;
    const bool whole = vkd__model_file_open(path, false, &quiet, &m) == VKD_OK;
    if (!whole && vkd__model_file_open(path, true, &quiet, &m) != VKD_OK)
        return false;
    vkd__model_file_close(&m);
    return !whole;
}

static enum exit_status measure_and_print(struct measuring *m)
{
    const struct diversity_options *o = m->o;
    const uint32_t count = o->path_count;
    double *cka = NULL;
    if (o->cka) {
        m->features = calloc(count, sizeof *m->features);
        cka = calloc((size_t)count * count, sizeof *cka);
    }
    m->summaries = calloc(count, sizeof *m->summaries);
    m->lists = calloc(count, sizeof *m->lists);
    vkd_result r = !m->summaries || !m->lists || (o->cka && (m->features == NULL || cka == NULL)) ? VKD_NO_MEMORY : measure(m, cka);
    enum exit_status status = status_of(r);
    if (r != VKD_OK)
        app_ended("measuring ended", r);
    else if (o->app.json)
        status = print_json(m->models, !o->cka ? NULL : count > 1 ? vkd__cka_json(cka, count) :
                                       vkd__layers_cka_json(&m->layers));
    else if (count > 1)
        diversity_print_summary(m->summaries, count);
    if (r == VKD_OK && !o->app.json && o->cka && count > 1)
        diversity_print_cka(o->paths, cka, count);
    else if (r == VKD_OK && !o->app.json && o->cka)
        diversity_print_layers_cka(&m->layers);
    if (r == VKD_FORMAT && !o->partial && is_partial(o->paths[m->at]))
        fprintf(stderr, "--partial measures the layers that fit of a model whose file lacks others.\n");
    for (uint32_t i = 0; m->features != NULL && i < count; i++)
        vkd_features_finish(&m->features[i]);
    free(m->features);
    free(m->summaries);
    free(m->lists);
    free(cka);
    return status;
}

// Whether the device that would be taken is a GPU. Filters alone are no reason to open a CPU driver: the host's BLAS
// is faster on the same processor (those of ResNet-50 take 0.75 of the time).
static bool has_gpu(void)
{
    const char *selector = getenv("VKDIV_DEVICE");
    struct vkd_device_row *rows;
    uint32_t count;
    int selected;
    if (vkd_device_list(NULL, selector != NULL && selector[0] != 0 ? selector : NULL, &rows, &count, &selected) != VKD_OK)
        return false;
    const bool gpu = selected >= 0 && !rows[selected].caps.cpu;
    free(rows);
    return gpu;
}

enum exit_status cmd_diversity(int argc, char **argv)
{
    struct diversity_options o = { .views = 10 };
    enum exit_status status = EXIT_DONE;
    app_parse(&cmd_diversity_argp, argc, argv, &o);
    for (uint32_t i = 0; i < o.path_count; i++) {
        if (vkd__path_kind(o.paths[i], NULL, NULL) == VKD__PATH_NONE) {
            app_error("%s: no such run or file", o.paths[i]);
            return EXIT_USAGE;
        }
        if (vkd__path_kind(o.paths[i], NULL, NULL) == VKD__PATH_DIR && !app_is_run(o.paths[i]))
            return EXIT_USAGE;
    }
    vkd__os_catch_interrupt();
    struct measuring m = { .o = &o };
    o.null.log = app_log(&o.app);
    if (o.data != NULL || o.app.device != NULL || has_gpu())
        m.dev = app_open_device(&o.app, &status);
    o.null.dev = m.dev;
    if (status == EXIT_DONE)
        status = app_status(vkd_filter_nulls_create(&o.null, &m.nulls));
    if (status == EXIT_DONE) {
        app_progress_init(&m.progress);
        m.models = json_array();
        status = measure_and_print(&m);
        json_decref(m.models);
    }
    vkd_filter_nulls_destroy(&m.nulls);
    vkd_device_destroy(&m.dev);
    return status;
}
