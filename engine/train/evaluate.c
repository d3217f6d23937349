// evaluate.c -- vkd_eval: a trained model on any split of any set.
#include "classifier.h"
#include "network.h"
#include "run_files.h"
#include "../run_folder.h"
#include "../../runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct evaluation {
    vkd_device *dev;
    struct vkd_log log;
    char weights[4096];                 // the safetensors file
    struct vkd_recipe recipe;           // of the run directory
    json_t *json;                       // its run.json; NULL for a bare file
    struct vkd_weights_info model;
    vkd_dataset *set;
    vkd_loader *loader;
    vkd_graph *graph;
    vkd_params *params;
    vkd_program *program;
    vkd__feed *feed;
};

// Finds the weights, and in a run directory the set it was tested on.
static vkd_result find_model(struct evaluation *e, const char *path)
{
    vkd__model_path(path, e->weights, sizeof(e->weights));
    if (vkd__path_kind(path, NULL, NULL) != VKD__PATH_DIR)
        return VKD_OK;
    vkd_result r = vkd__run_json_read(path, &e->log, &e->json);
    if (r == VKD_OK)
        vkd__recipe_from_json(json_object_get(e->json, "recipe"), &e->recipe);
    return r;
}

static vkd_result open_set(struct evaluation *e, const struct vkd_eval_params *p, uint32_t batch)
{
    const char *spec = p->data ? p->data : e->recipe.data.test ? e->recipe.data.test : e->recipe.data.train;
    if (!spec) {
        vkd_log_write(&e->log, VKD_LOG_ERROR, "%s alone does not say what to evaluate on: name it with --data "
                      "SPEC", p->path);
        return VKD_INVALID;
    }
    vkd_result r = vkd_dataset_open(&(struct vkd_dataset_params) { spec, p->split ? p->split : "test", e->log }, &e->set);
    if (r < 0)
        return r;
    const struct vkd_dataset_info *info = vkd_dataset_info(e->set);
    if (info->classes != e->model.classes || info->channels > e->model.channels) {
        vkd_log_write(&e->log, VKD_LOG_ERROR, "the model has %u class%s and %u channel%s, %s has %u and %u%s",
                      e->model.classes, e->model.classes == 1 ? "" : "es", e->model.channels,
                      e->model.channels == 1 ? "" : "s", spec, info->classes, info->channels,
                      info->classes != e->model.classes ? "; how well it serves other classes, `vkdiv transfer` says" : "");
        return VKD_INVALID;
    }
    if (!info->classes) {
        vkd_log_write(&e->log, VKD_LOG_ERROR, "%s and the model have no classes: there is nothing to test", spec);
        return VKD_INVALID;
    }
    struct vkd__image_plan plan = vkd__image_plan(info, e->model.size, batch, vkd_device_caps(e->dev)->storage_range_max);
    return vkd_loader_create(&(struct vkd_loader_params) {
        .dataset = e->set, .batch = batch, .canvas = plan.canvas, .short_side = plan.short_side,
        .bad_limit = e->recipe.data.bad_limit, .leave_out_bad = true, .log = e->log,
    }, &e->loader);
}

static vkd_result open_program(struct evaluation *e, uint32_t batch)
{
    struct vkd__network network;
    bool multi_label = vkd_dataset_info(e->set)->multi_label;
    vkd__network_init(&e->recipe, &e->model, e->model.classes, multi_label, &network);
    vkd_result r = vkd__network_graph(&e->log, &network, VKD__GRAPH_EVALUATION, batch, &e->graph);
    if (r == VKD_OK)
        r = vkd_params_create(e->dev, e->graph, false, &e->params);
    if (r == VKD_OK)
        r = vkd_weights_load_part(e->dev, e->params, &(struct vkd_weights_part) { .finite = true }, e->weights, false);
    if (r == VKD_OK)
        r = vkd_program_create(e->dev, e->graph, e->params, &(struct vkd_program_params) { .training = false }, &e->program);
    if (r < 0)
        return r;
    uint32_t resize = vkd__image_plan(vkd_dataset_info(e->set), e->model.size, batch, UINT32_MAX).resize;
    struct vkd__augment_params plain = vkd__augment_plain(&e->model, resize);
    struct vkd__route route = {
        .program = e->program, .loader = e->loader, .views = { { "images", plain } }, .view_count = 1,
        .marks = { "loss", multi_label ? "logits" : "rank" }, .mark_count = 2, .labels = true,
    };
    return vkd__feed_create(&(struct vkd__feed_params) {
        .dev = e->dev, .routes = &route, .route_count = 1, .batch = batch, .multi_label = multi_label,
        .classes = multi_label ? e->model.classes : 0 }, &e->feed);
}

static vkd_result fill_result(const struct evaluation *e, const struct vkd__eval_sums *s, struct vkd_eval_result *out)
{
    struct vkd_eval_result res = {
        .count = s->count, .classes = s->classes, .loss = s->count ? (float) (s->loss / s->count) : NAN,
        .multi_label = s->per_class != NULL, .map = s->per_class ? (float) s->map : NAN,
        .map11 = s->per_class ? (float) s->map11 : NAN,
        .top1 = s->count && !s->per_class ? (float) s->right / (float) s->count : NAN,
        .top5 = s->count && !s->per_class ? (float) s->right5 / (float) s->count : NAN,
        .per_class = malloc(s->classes * sizeof(float)), .class_names = calloc(s->classes, sizeof(char *)),
    };
    bool good = res.per_class && res.class_names;
    for (uint32_t c = 0; good && c < s->classes; c++) {
        float right = s->class_count[c] ? (float) s->class_right[c] / (float) s->class_count[c] : NAN;
        res.per_class[c] = s->per_class ? (float) s->per_class[c].plain : right;
        good = (res.class_names[c] = strdup(vkd_dataset_class_name(e->set, c))) != NULL;
    }
    if (!good) {
        vkd_eval_result_finish(&res);
        return VKD_NO_MEMORY;
    }
    *out = res;
    return VKD_OK;
}

vkd_result vkd_eval(vkd_device *dev, const struct vkd_eval_params *p, struct vkd_eval_result *out)
{
    struct evaluation e = { .dev = dev, .log = *vkd_device_log(dev) };
    struct vkd__eval_sums sums;
    uint32_t batch = p->batch ? p->batch : 256;
    vkd_recipe_default(&e.recipe);
    vkd_result r = find_model(&e, p->path);
    if (r == VKD_OK)
        r = vkd_weights_info(e.weights, &e.log, &e.model);
    if (r == VKD_OK)
        r = open_set(&e, p, batch);
    if (r == VKD_OK)
        r = open_program(&e, batch);
    if (r == VKD_OK)
        r = vkd__evaluate(&(struct vkd__eval_run) {
            .feed = e.feed, .log = &e.log, .loader = e.loader, .classes = e.model.classes,
            .multi_label = vkd_dataset_info(e.set)->multi_label, .progress = p->progress, .stop = p->stop,
            .user = p->user }, &sums);
    if (r == VKD_OK) {
        r = fill_result(&e, &sums, out);
        vkd__eval_sums_finish(&sums);
    }
    vkd__feed_destroy(&e.feed);
    vkd_loader_destroy(&e.loader);
    vkd_program_destroy(&e.program);
    vkd_params_destroy(&e.params);
    vkd_graph_destroy(&e.graph);
    vkd_dataset_close(&e.set);
    json_decref(e.json);
    return r;
}

void vkd_eval_result_finish(struct vkd_eval_result *r)
{
    for (uint32_t c = 0; r->class_names && c < r->classes; c++)
        free(r->class_names[c]);
    free(r->class_names);
    free(r->per_class);
    memset(r, 0, sizeof(*r));
}
