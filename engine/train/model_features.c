// model_features.c -- what a model makes of images just before its classifier, and how diverse that is.
#include "classifier.h"
#include "pass.h"
#include "views.h"
#include "../model_file.h"
#include "../op.h"

#include <vkdiv/diversity.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 2000, VIEWS_MAX = 64, BATCH_SMALL = 128, BATCH_LARGE = 16, SIZE_SMALL = 64, CKA_ROWS = 256 };

struct extraction {
    vkd_device *dev;
    struct vkd_log log;
    const struct vkd_features_params *p;
    struct vkd__model_file model;
    uint32_t batch;
    vkd_dataset *set;
    vkd_loader *loader;
    vkd_graph *graph;
    vkd_params *params;
    vkd_program *program;
    vkd__feed *feed;                // routes: the images as they are; their random views
    struct vkd_features out;
};

// ---- Opening ----------------------------------------------------------------------------------

static vkd_result open_set(struct extraction *e)
{
    const struct vkd_features_params *p = e->p;
    vkd_result r = vkd_dataset_open(&(struct vkd_dataset_params) { p->data, p->split ? p->split : "test", e->log }, &e->set);
    if (r < 0)
        return r;
    const struct vkd_dataset_info *info = vkd_dataset_info(e->set);
    if (info->channels > e->model.info.channels) {
        vkd_log_write(&e->log, VKD_LOG_ERROR, "%.200s takes images of %u channel, %.200s has %u", e->model.path,
                      e->model.info.channels, p->data, info->channels);
        return VKD_INVALID;
    }
    uint32_t rows = p->images ? p->images : IMAGES;
    e->out.rows = rows = rows < info->count ? rows : info->count;
    e->out.classes = info->classes;
    e->out.data_fingerprint = info->fingerprint;
    uint32_t *first = malloc((rows + 1u) * sizeof(*first));
    if (!first)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < rows; i++)
        first[i] = i;
    struct vkd__image_plan plan = vkd__image_plan(info, e->model.info.size, e->batch,
                                                  vkd_device_caps(e->dev)->storage_range_max);
    r = vkd_loader_create(&(struct vkd_loader_params) {
        .dataset = e->set, .batch = e->batch, .canvas = plan.canvas, .short_side = plan.short_side, .leave_out_bad = true,
        .bad_limit = rows / 100, .subset = first, .subset_count = rows, .log = e->log,
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
        r = vkd_weights_load_part(e->dev, e->params, &(struct vkd_weights_part) { .renames = renames, .rename_count = used },
                                  e->model.path, false);
    free(renames);
    free(names);
    return r;
}

static vkd_result open_program(struct extraction *e)
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
    e->out.dim = vkd_tensor_shape(m.features).d[3];
    r = vkd_params_create(e->dev, e->graph, false, &e->params);
    if (r == VKD_OK)
        r = load(e);
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
    struct vkd__augment_params plain =
        vkd__augment_plain(info, vkd__image_plan(vkd_dataset_info(e->set), info->size, e->batch, UINT32_MAX).resize);
    struct vkd__route routes[2] = { { .program = e->program, .loader = e->loader, .view_count = 1, .mark_count = 1,
                                      .marks = { "features" }, .views = { { "images", plain } } } };
    routes[1] = routes[0];
    routes[1].views[0].augment = vkd__view(&random, &plain, info->size, VKD__VIEW_1);
    return vkd__feed_create(&(struct vkd__feed_params) {
        .dev = e->dev, .routes = routes, .route_count = 2, .batch = e->batch }, &e->feed);
}

// ---- Passes -----------------------------------------------------------------------------------

struct view_pass {
    struct extraction *e;
    uint32_t number;                // 0: the images as they are, v: their view v - 1
    uint32_t row, batch;            // taken in so far
};

static vkd_result take(void *user, const struct vkd__feed_result *res)
{
    struct view_pass *p = user;
    const struct extraction *e = p->e;
    const struct vkd_features *o = &e->out;
    const float *rows = vkd__feed_mark(e->feed, "features", 0, NULL);
    for (uint32_t i = 0; i < res->images && p->row < o->rows; i++, p->row++) {
        uint64_t place = p->number ? (uint64_t) p->row * o->views + p->number - 1 : p->row;
        memcpy((p->number ? o->view_values : o->values) + place * o->dim, rows + (uint64_t) i * vkd__pad4(o->dim),
               o->dim * sizeof(float));
        if (!p->number) {
            o->labels[p->row] = res->labels[i];
            o->indices[p->row] = res->indices[i];
        }
    }
    p->batch++;
    if (e->p->progress) {
        uint32_t batches = vkd_loader_batches(e->loader);
        e->p->progress(e->p->user, p->number * batches + p->batch, (o->views + 1) * batches);
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

static vkd_result run(struct extraction *e)
{
    struct vkd_features *o = &e->out;
    const uint64_t count = (uint64_t) o->rows * o->dim;
    o->values = calloc(count + 1, sizeof(float));
    o->view_values = o->views ? calloc(count * o->views + 1, sizeof(float)) : NULL;
    o->labels = calloc(o->rows + 1u, sizeof(*o->labels));
    o->indices = calloc(o->rows + 1u, sizeof(*o->indices));
    vkd_result r = o->values && o->labels && o->indices && (o->view_values || !o->views) ? VKD_OK : VKD_NO_MEMORY;
    for (uint32_t pass = 0; r == VKD_OK && pass <= o->views; pass++)
        r = run_pass(e, pass);
    return r;
}

vkd_result vkd_features_extract(vkd_device *dev, const struct vkd_features_params *p, struct vkd_features *out)
{
    struct extraction e = { .dev = dev, .log = *vkd_device_log(dev), .p = p };
    if (p->views > VIEWS_MAX || !p->data) {
        vkd_log_write(&e.log, VKD_LOG_ERROR, "features: expected a data SPEC and at most %d views, found %s and %u", VIEWS_MAX,
                      p->data ? p->data : "none", p->views);
        return VKD_INVALID;
    }
    vkd_result r = vkd__model_file_open(p->path, false, &e.log, &e.model);
    if (r < 0)
        return r;
    e.batch = p->batch ? p->batch : e.model.info.size <= SIZE_SMALL ? BATCH_SMALL : BATCH_LARGE;
    e.out.views = p->views;
    e.out.model = e.model.info;
    e.out.told = e.model.told;
    r = open_set(&e);
    if (r == VKD_OK)
        r = open_program(&e);
    if (r == VKD_OK)
        r = open_feed(&e);
    if (r == VKD_OK)
        r = run(&e);
    vkd__feed_destroy(&e.feed);
    vkd_loader_destroy(&e.loader);
    vkd_program_destroy(&e.program);
    vkd_params_destroy(&e.params);
    vkd_graph_destroy(&e.graph);
    vkd_dataset_close(&e.set);
    vkd__model_file_close(&e.model);
    if (r < 0)
        vkd_features_finish(&e.out);
    else
        *out = e.out;
    return r;
}

void vkd_features_finish(struct vkd_features *f)
{
    free(f->values);
    free(f->view_values);
    free(f->labels);
    free(f->indices);
    *f = (struct vkd_features) { .rows = 0 };
}

// ---- Measuring --------------------------------------------------------------------------------

static vkd_result measure_channels(vkd_filter_nulls *nulls, const struct vkd_features *f, struct vkd_layer_diversity *out)
{
    float *turned = malloc(((uint64_t) f->rows * f->dim + 1) * sizeof(*turned));
    if (!turned)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < f->rows; i++)
        for (uint32_t c = 0; c < f->dim; c++)
            turned[(uint64_t) c * f->rows + i] = f->values[(uint64_t) i * f->dim + c];
    vkd_result r = vkd_layer_measure(nulls, &(struct vkd_matrix) { turned, f->dim, f->rows, 0 }, out);
    free(turned);
    if (r == VKD_OK) {
        snprintf(out->name, sizeof(out->name), "features");
        out->kind = VKD_LAYER_OTHER;
    }
    return r;
}

vkd_result vkd_features_measure(vkd_filter_nulls *nulls, const struct vkd_features *f, const struct vkd_log *log,
                                struct vkd_feature_diversity *out)
{
    struct vkd_feature_diversity d = { .lidar = NAN, .class_separation = NAN };
    const struct vkd_matrix z = { f->values, f->rows, f->dim, 0 };
    const double *thresholds = vkd_filter_thresholds(nulls, &d.threshold_count);
    uint32_t labelled = 0;
    memcpy(d.thresholds, thresholds, d.threshold_count * sizeof(*thresholds));
    for (uint32_t i = 0; i < f->rows; i++)
        labelled += f->labels[i] != VKD_NO_LABEL;
    if (f->rows <= f->dim)
        vkd_log_write(log, VKD_LOG_WARNING, "%u images cannot show all %u dimensions of the features: ranks are at most "
                      "%u; take more than %u", f->rows, f->dim, f->rows, f->dim);
    vkd_result r = vkd_feature_measure(&z, log, &d.features);
    if (r == VKD_OK && labelled)
        r = vkd_class_separation(&z, f->labels, f->classes, log, &d.class_separation);
    if (r == VKD_OK && f->views > 1 && f->rows > 1) {
        r = vkd_lidar(&(struct vkd_matrix) { f->view_values, f->rows * f->views, f->dim, 0 }, f->views, log, &d.lidar);
        r = r == VKD_DIVERGED ? VKD_OK : r;     // it has said so; the other measures do not need it
    }
    if (r == VKD_OK)
        r = measure_channels(nulls, f, &d.channels);
    if (r == VKD_OK)
        *out = d;
    return r;
}

vkd_result vkd_features_cka(const struct vkd_features *a, const struct vkd_features *b, const struct vkd_log *log, double *out)
{
    struct vkd_cka_sums sums = { .xy = 0 };
    vkd_result r = VKD_OK;
    if (a->rows != b->rows || a->rows < 4 || memcmp(a->indices, b->indices, a->rows * sizeof(*a->indices)) ||
        a->data_fingerprint != b->data_fingerprint) {
        vkd_log_write(log, VKD_LOG_ERROR, "CKA compares features of the same images, 4 or more: found %u and %u images%s",
                      a->rows, b->rows, a->rows == b->rows ? ", not the same" : "");
        return VKD_INVALID;
    }
    for (uint32_t first = 0; r == VKD_OK && first < a->rows;) {
        uint32_t left = a->rows - first, count = left < CKA_ROWS + 4 ? left : CKA_ROWS;     // no rest of less than 4
        r = vkd_cka_add(&sums, &(struct vkd_matrix) { a->values + (uint64_t) first * a->dim, count, a->dim, 0 },
                        &(struct vkd_matrix) { b->values + (uint64_t) first * b->dim, count, b->dim, 0 }, log);
        first += count;
    }
    if (r == VKD_OK)
        *out = vkd_cka_value(&sums);
    return r;
}
