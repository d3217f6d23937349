// predict.c -- what a classifier says of every image of a set.
#include "predict.h"
#include "network.h"

struct prediction {
    const struct vkd__predict_params *p;
    struct vkd_log log;
    struct vkd_weights_info model;
    struct vkd__image_plan plan;
    vkd_loader *loader;
    vkd_graph *graph;
    vkd_params *params;
    vkd_program *program;
    vkd__feed *feed;
};

static vkd_result check(struct prediction *s)
{
    const struct vkd_dataset_info *info = vkd_dataset_info(s->p->set);
    vkd_result r = vkd_weights_info(s->p->weights, &s->log, &s->model);
    if (r < 0 || (info->classes == s->model.classes && info->channels <= s->model.channels))
        return r;
    vkd_log_write(&s->log, VKD_LOG_ERROR, "%.300s has %u classes and %u channels, the images have %u and %u", s->p->weights,
                  s->model.classes, s->model.channels, info->classes, info->channels);
    return VKD_INVALID;
}

static vkd_result open_loader(struct prediction *s)
{
    const struct vkd_dataset_info *info = vkd_dataset_info(s->p->set);
    s->plan = vkd__image_plan(info, s->model.size, s->p->batch, vkd_device_caps(s->p->dev)->storage_range_max);
    return vkd_loader_create(&(struct vkd_loader_params) {
        .dataset = s->p->set, .batch = s->p->batch, .canvas = s->plan.canvas, .short_side = s->plan.short_side,
        .bad_limit = info->count / 100, .leave_out_bad = true, .log = s->log,
    }, &s->loader);
}

static vkd_result open_program(struct prediction *s)
{
    struct vkd_recipe recipe;
    struct vkd__network network;
    vkd_recipe_default(&recipe);
    vkd__network_init(&recipe, &s->model, s->model.classes, vkd_dataset_info(s->p->set)->multi_label, &network);
    vkd_result r = vkd__network_graph(&s->log, &network, VKD__GRAPH_EVALUATION, s->p->batch, &s->graph);
    if (r == VKD_OK)
        r = vkd_params_create(s->p->dev, s->graph, false, &s->params);
    if (r == VKD_OK)
        r = vkd_weights_load(s->p->dev, s->params, s->p->weights, false);
    if (r == VKD_OK)
        r = vkd_program_create(s->p->dev, s->graph, s->params, &(struct vkd_program_params) { .training = false }, &s->program);
    return r;
}

static vkd_result open_feed(struct prediction *s)
{
    const struct vkd_dataset_info *info = vkd_dataset_info(s->p->set);
    struct vkd__route route = {
        .program = s->program, .loader = s->loader, .views = { { "images", vkd__augment_plain(&s->model, s->plan.resize) } },
        .view_count = 1, .marks = { "logits" }, .mark_count = 1, .labels = true,
    };
    return vkd__feed_create(&(struct vkd__feed_params) {
        .dev = s->p->dev, .routes = &route, .route_count = 1, .batch = s->p->batch, .multi_label = info->multi_label,
        .classes = info->multi_label ? info->classes : 0 }, &s->feed);
}

vkd_result vkd__predict(const struct vkd__predict_params *p, struct vkd__features *out)
{
    struct prediction s = { .p = p, .log = *vkd_device_log(p->dev) };
    vkd_result r = check(&s);
    if (r == VKD_OK)
        r = open_loader(&s);
    if (r == VKD_OK)
        r = open_program(&s);
    if (r == VKD_OK)
        r = open_feed(&s);
    if (r == VKD_OK)
        r = vkd__collect_features(&(struct vkd__features_params) {
            .feed = s.feed, .loader = s.loader, .mark = "logits", .width = s.model.classes, .stop = p->stop, .user = p->user },
            out);
    vkd__feed_destroy(&s.feed);
    vkd_loader_destroy(&s.loader);
    vkd_program_destroy(&s.program);
    vkd_params_destroy(&s.params);
    vkd_graph_destroy(&s.graph);
    return r;
}
