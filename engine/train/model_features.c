// model_features.c -- what a model makes of images, just before its classifier or at the end of other layers.
#include "model_features.h"
#include "classifier.h"
#include "pass.h"
#include "views.h"
#include "../model_file.h"
#include "../model_layers.h"
#include "../op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 2000, VIEWS_MAX = 64, BATCH_SMALL = 128, BATCH_LARGE = 16, SIZE_SMALL = 64 };

struct extraction {
    vkd_device *dev;
    struct vkd_log log;
    const struct vkd_features_params *p;
    struct vkd__model_file model;
    uint32_t batch, rows, layers;
    vkd_dataset *set;
    struct vkd__image_plan plan;
    vkd_loader *loader;
    vkd_graph *graph;
    vkd_params *params;
    vkd_program *program;
    vkd__feed *feed;                // routes: the images as they are; their random views
    struct vkd_features out[VKD_LAYERS_MAX];
    char marks[VKD_LAYERS_MAX][VKD_LAYER_NAME + 8];
};

// ---- Opening ----------------------------------------------------------------------------------

static vkd_result open_set(struct extraction *e)
{
    const struct vkd_features_params *p = e->p;
    vkd_result r = vkd_dataset_open(&(struct vkd_dataset_params) { p->data, p->split ? p->split : "test", e->log }, &e->set);
    if (r < 0)
        return r;
    const struct vkd_dataset_info *info = vkd_dataset_info(e->set);
    r = vkd__model_file_serves(&e->model, p->data, info->channels, &e->log);
    if (r < 0)
        return r;
    uint32_t rows = p->images ? p->images : IMAGES;
    e->rows = rows < info->count ? rows : info->count;
    e->plan = vkd__image_plan(info, e->model.info.size, e->batch, vkd_device_caps(e->dev)->storage_range_max);
    return VKD_OK;
}

static vkd_result open_loader(struct extraction *e)
{
    uint32_t *first = malloc((e->rows + 1u) * sizeof(*first));
    if (!first)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < e->rows; i++)
        first[i] = i;
    vkd_result r = vkd_loader_create(&(struct vkd_loader_params) {
        .dataset = e->set, .batch = e->batch, .canvas = e->plan.canvas, .short_side = e->plan.short_side, .leave_out_bad = true,
        .bad_limit = e->p->bad_limit ? e->p->bad_limit : e->rows / 100, .subset = first, .subset_count = e->rows, .log = e->log,
    }, &e->loader);
    free(first);
    return r;
}

// Loads the weights, by timm's names where the file has these.
static vkd_result load(struct extraction *e)
{
    enum { NAME = 200 };
    uint32_t count = vkd_params_count(e->params), used = 0;
    char (*names)[NAME] = calloc(2 * (size_t) count + 1, sizeof(*names));
    struct vkd_weights_rename *renames = calloc((size_t) count + 1, sizeof(*renames));
    vkd_result r = names && renames ? VKD_OK : VKD_NO_MEMORY;
    for (uint32_t i = 0; r == VKD_OK && e->model.timm && i < count; i++) {
        const char *name = vkd_params_at(e->params, i)->name, *dot = strrchr(name, '.');
        char *from = names[2 * used], *to = names[2 * used + 1];
        snprintf(from, NAME, "%.*s", (int) (dot ? dot - name : 0), name);
        if (!vkd__timm_layer(from, to, NAME - 1))
            continue;
        strncat(from, ".", NAME - strlen(from) - 1);
        strncat(to, ".", NAME - strlen(to) - 1);
        renames[used++] = (struct vkd_weights_rename) { from, to };
    }
    if (r == VKD_OK)
        r = vkd_weights_load_part(e->dev, e->params, &(struct vkd_weights_part) {
            .renames = renames, .rename_count = used, .more = e->p->partial, .less = e->p->partial }, e->model.path, false);
    free(renames);
    free(names);
    return r;
}

// Marks what is to be read back of layer `l`, and says how wide it is.
static vkd_result mark_layer(struct extraction *e, vkd_tensor *features, uint32_t l)
{
    const char *layer = vkd__features_layer(e->p, l);
    vkd_tensor *t = features;
    snprintf(e->marks[l], sizeof(e->marks[l]), "features");
    if (strcmp(layer, "features")) {
        snprintf(e->marks[l], sizeof(e->marks[l]), "layer.%s", layer);
        if (!vkd__layer_check(e->graph, &e->model.info, e->model.path, layer, &e->log))
            return VKD_INVALID;
        t = vkd__layer_output(e->graph, layer);
        t = vkd_mark(e->graph, vkd_global_avg_pool(e->graph, t), e->marks[l]);
    }
    if (vkd_graph_error(e->graph))
        return VKD_INVALID;
    e->out[l].dim = vkd_tensor_shape(t).d[3];
    return VKD_OK;
}

// The model as far as it needs no device.
static vkd_result open_graph(struct extraction *e)
{
    const struct vkd_weights_info *info = &e->model.info;
    vkd_result r = vkd_graph_create(&e->log, &e->graph);
    if (r < 0)
        return r;
    vkd_tensor *images = vkd_input(e->graph, "images", VKD_F32,
                                   (struct vkd_shape) {{ e->batch, info->size, info->size, info->channels }});
    struct vkd_model m = vkd_model_build(e->graph, images, &(struct vkd_model_params) {
        .arch = info->arch, .width = info->width, .cifar_stem = info->cifar_stem, .classes = info->classes, .dropout = -1,
    });
    if (vkd_graph_error(e->graph))
        return VKD_INVALID;
    for (uint32_t l = 0; r == VKD_OK && l < e->layers; l++)
        r = mark_layer(e, m.features, l);
    return r;
}

static vkd_result open_program(struct extraction *e)
{
    vkd_result r = open_graph(e);
    if (r == VKD_OK)
        r = vkd_params_create(e->dev, e->graph, false, &e->params);
    if (r == VKD_OK)
        r = e->p->untrained ? vkd_params_init(e->params, e->p->seed) : load(e);
    if (r == VKD_OK)
        r = vkd_program_create(e->dev, e->graph, e->params, &(struct vkd_program_params) { .training = false }, &e->program);
    return r;
}

// The one place that knows how programs are fed.
static vkd_result open_feed(struct extraction *e)
{
    static const struct vkd_recipe_view random = {
        .filter = "bilinear", .scale = { 0.2f, 1 }, .ratio = { 0.75f, 4.0f / 3.0f }, .flip = 0.5f,
        .jitter = { 0.4f, 0.4f, 0.4f, 0.1f }, .jitter_p = 0.8f, .gray = 0.2f, .sigma = { 0.1f, 2 },
    };
    const struct vkd_weights_info *info = &e->model.info;
    const struct vkd_dataset_info *set = vkd_dataset_info(e->set);
    struct vkd__augment_params plain = vkd__augment_plain(info, e->plan.resize);
    struct vkd__route routes[2] = { { .program = e->program, .loader = e->loader, .view_count = 1, .mark_count = e->layers,
                                      .views = { { "images", plain } } } };
    for (uint32_t l = 0; l < e->layers; l++)
        routes[0].marks[l] = e->marks[l];
    routes[1] = routes[0];
    routes[1].views[0].augment = vkd__view(&random, &plain, info->size, VKD__VIEW_1);
    return vkd__feed_create(&(struct vkd__feed_params) {
        .dev = e->dev, .routes = routes, .route_count = e->p->views ? 2 : 1, .batch = e->batch,
        .multi_label = set->multi_label, .classes = set->multi_label ? set->classes : 0 }, &e->feed);
}

// ---- Passes -----------------------------------------------------------------------------------

struct view_pass {
    struct extraction *e;
    uint32_t number;                // 0: the images as they are, v: their view v - 1
    uint32_t row, batch;            // taken in so far
};

// Takes the images of a result in as rows of layer `l`.
static void take_layer(const struct view_pass *p, uint32_t l, uint32_t images, const struct vkd__feed_result *res)
{
    const struct extraction *e = p->e;
    const struct vkd_features *o = &e->out[l];
    const float *rows = vkd__feed_mark(e->feed, e->marks[l], 0, NULL);
    for (uint32_t i = 0; i < images; i++) {
        const uint64_t row = p->row + i, place = p->number ? row * o->views + p->number - 1 : row;
        memcpy((p->number ? o->view_values : o->values) + place * o->dim, rows + (uint64_t) i * vkd__pad4(o->dim),
               o->dim * sizeof(float));
        if (p->number)
            continue;
        o->labels[row] = res->labels[i];
        o->indices[row] = res->indices[i];
        if (o->targets)
            memcpy(o->targets + row * o->classes, res->targets + (uint64_t) i * res->target_stride, o->classes * sizeof(float));
    }
}

static vkd_result take(void *user, const struct vkd__feed_result *res)
{
    struct view_pass *p = user;
    const struct extraction *e = p->e;
    const uint32_t left = e->rows - p->row, images = res->images < left ? res->images : left;
    for (uint32_t l = 0; l < e->layers; l++)
        take_layer(p, l, images, res);
    p->row += images;
    p->batch++;
    if (e->p->progress) {
        uint32_t batches = vkd_loader_batches(e->loader);
        e->p->progress(e->p->user, p->number * batches + p->batch, (e->p->views + 1) * batches);
    }
    return VKD_OK;
}

static vkd_result run_pass(struct extraction *e, uint32_t number)
{
    struct view_pass p = { .e = e, .number = number };
    return vkd__pass_run(&(struct vkd__pass) {
        .feed = e->feed, .route = number > 0, .loader = e->loader, .take = take, .user = &p, .stop = e->p->stop,
        .stop_user = e->p->user, .epoch = number,
    });
}

// What features of layer `l` are known to be before they are made.
static struct vkd_features describe(const struct extraction *e, uint32_t l)
{
    const struct vkd_dataset_info *info = vkd_dataset_info(e->set);
    struct vkd_features f = { .rows = e->rows, .dim = e->out[l].dim, .classes = info->classes, .views = e->p->views,
                              .data_fingerprint = info->fingerprint, .model = e->model.info, .told = e->model.told };
    snprintf(f.layer, sizeof(f.layer), "%s", vkd__features_layer(e->p, l));
    return f;
}

static vkd_result allocate(struct extraction *e, uint32_t l)
{
    const struct vkd_dataset_info *info = vkd_dataset_info(e->set);
    struct vkd_features *o = &e->out[l];
    const uint64_t count = (uint64_t) e->rows * o->dim;
    *o = describe(e, l);
    o->values = calloc(count + 1, sizeof(float));
    o->view_values = o->views ? calloc(count * o->views + 1, sizeof(float)) : NULL;
    o->labels = calloc(o->rows + 1u, sizeof(*o->labels));
    o->indices = calloc(o->rows + 1u, sizeof(*o->indices));
    o->targets = info->multi_label ? calloc((uint64_t) o->rows * o->classes + 1, sizeof(float)) : NULL;
    bool good = o->values && o->labels && o->indices && (o->view_values || !o->views) && (o->targets || !info->multi_label);
    return good ? VKD_OK : VKD_NO_MEMORY;
}

static vkd_result run(struct extraction *e)
{
    vkd_result r = VKD_OK;
    for (uint32_t l = 0; r == VKD_OK && l < e->layers; l++)
        r = allocate(e, l);
    for (uint32_t pass = 0; r == VKD_OK && pass <= e->p->views; pass++)
        r = run_pass(e, pass);
    for (uint32_t l = 0; l < e->layers; l++)
        e->out[l].unreadable = vkd_loader_bad_count(e->loader);
    return r;
}

// ---- All of it --------------------------------------------------------------------------------

const char *vkd__features_layer(const struct vkd_features_params *p, uint32_t i)
{
    return p->layer_count && p->layers[i] ? p->layers[i] : "features";
}

// The model and the set, which need no device.
static vkd_result extraction_init(struct extraction *e, vkd_device *dev, const struct vkd_features_params *p)
{
    *e = (struct extraction) { .dev = dev, .log = p->log ? *p->log : *vkd_device_log(dev), .p = p,
                               .layers = p->layer_count ? p->layer_count : 1 };
    if (p->views > VIEWS_MAX || !p->data || e->layers > VKD_LAYERS_MAX) {
        vkd_log_write(&e->log, VKD_LOG_ERROR, "features: expected a data SPEC, at most %d views and %d layers, found %s, %u and "
                      "%u", VIEWS_MAX, VKD_LAYERS_MAX, p->data ? p->data : "none", p->views, e->layers);
        return VKD_INVALID;
    }
    vkd_result r = vkd__model_file_open(p->path, p->partial, &e->log, &e->model);
    if (r < 0)
        return r;
    e->batch = p->batch ? p->batch : e->model.info.size <= SIZE_SMALL ? BATCH_SMALL : BATCH_LARGE;
    return open_set(e);
}

static void extraction_finish(struct extraction *e)
{
    vkd__feed_destroy(&e->feed);
    vkd_loader_destroy(&e->loader);
    vkd_program_destroy(&e->program);
    vkd_params_destroy(&e->params);
    vkd_graph_destroy(&e->graph);
    vkd_dataset_close(&e->set);
    vkd__model_file_close(&e->model);
}

vkd_result vkd_features_extract(vkd_device *dev, const struct vkd_features_params *p, struct vkd_features *out)
{
    struct extraction e;
    vkd_result r = extraction_init(&e, dev, p);
    if (r == VKD_OK)
        r = open_loader(&e);
    if (r == VKD_OK)
        r = open_program(&e);
    if (r == VKD_OK)
        r = open_feed(&e);
    if (r == VKD_OK)
        r = run(&e);
    extraction_finish(&e);
    for (uint32_t l = 0; l < e.layers && l < VKD_LAYERS_MAX; l++) {
        if (r < 0)
            vkd_features_finish(&e.out[l]);
        else
            out[l] = e.out[l];
    }
    return r;
}

vkd_result vkd__features_describe(vkd_device *dev, const struct vkd_features_params *p, struct vkd_features *out)
{
    struct extraction e;
    vkd_result r = extraction_init(&e, dev, p);
    if (r == VKD_OK)
        r = open_graph(&e);
    for (uint32_t l = 0; r == VKD_OK && l < e.layers; l++)
        out[l] = describe(&e, l);
    extraction_finish(&e);
    return r;
}

void vkd__log_errors(void *user, enum vkd_log_level level, const char *text)
{
    if (level == VKD_LOG_ERROR)
        vkd_log_write(user, level, "%s", text);
}

vkd_result vkd_features_check(vkd_device *dev, const struct vkd_features_params *p)
{
    struct vkd_features unused[VKD_LAYERS_MAX];
    struct vkd_log log = p->log ? *p->log : *vkd_device_log(dev);
    const struct vkd_log errors = { vkd__log_errors, &log };
    struct vkd_features_params quiet = *p;
    quiet.log = &errors;
    return vkd__features_describe(dev, &quiet, unused);
}

vkd_result vkd__features_identify(vkd_device *dev, const struct vkd_features_params *p, const uint64_t *data,
                                  struct vkd__features_identity *out)
{
    struct extraction e;
    vkd_result r = extraction_init(&e, dev, p);
    uint64_t weights = 0, content = data ? *data : 0;
    if (r == VKD_OK)
        r = open_graph(&e);
    if (r == VKD_OK)
        r = vkd_weights_hash(e.model.path, &e.log, &weights);
    if (r == VKD_OK && !data)
        r = vkd_dataset_content(e.set, &content);
    if (r == VKD_OK) {
        const struct vkd_dataset_info *info = vkd_dataset_info(e.set);
        const struct vkd_weights_info *m = &e.model.info;
        *out = (struct vkd__features_identity) {
            .weights = weights, .data = content, .fingerprint = info->fingerprint, .images = info->count, .rows = e.rows,
            .classes = info->classes, .multi_label = info->multi_label, .told = e.model.told, .model = *m,
        };
        for (uint32_t l = 0; l < e.layers; l++)
            out->dims[l] = e.out[l].dim;
        snprintf(out->split, sizeof(out->split), "%s", info->split);
        snprintf(out->preparation, sizeof(out->preparation), "arch %s width %u stem %s canvas %u short %u resize %u crop %u "
                 "channels %u mean %.9g %.9g %.9g std %.9g %.9g %.9g", m->arch, m->width, m->cifar_stem ? "cifar" : "imagenet",
                 e.plan.canvas, e.plan.short_side, e.plan.resize, m->size, m->channels, (double) m->mean[0],
                 (double) m->mean[1], (double) m->mean[2], (double) m->std[0], (double) m->std[1], (double) m->std[2]);
    }
    extraction_finish(&e);
    return r;
}

void vkd_features_finish(struct vkd_features *f)
{
    free(f->values);
    free(f->view_values);
    free(f->labels);
    free(f->targets);
    free(f->indices);
    *f = (struct vkd_features) { .rows = 0 };
}
