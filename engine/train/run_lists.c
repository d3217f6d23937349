// run_lists.c -- optimiser, teacher and feeds of a run, and the lists that are recorded before its first step.
#include "run.h"
#include "views.h"
#include "../unit_columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Optimiser ----

// One group per parameter that does not follow the backbone's learning rate.
static vkd_result make_groups(const struct vkd__run *run, struct vkd_optimizer_group **out, uint32_t *out_count)
{
    uint32_t params = vkd_params_count(run->params), count = 0;
    struct vkd_optimizer_group *groups = calloc(params + 1, sizeof(*groups));
    if (!groups)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < params; i++) {
        const struct vkd_param_info *info = vkd_params_at(run->params, i);
        enum vkd__lr_group group = info->state ? VKD__LR_BACKBONE : vkd__network_group(&run->network, info->name);
        float factor = info->state ? 1 : vkd__network_lr_factor(&run->network, info->name);
        if (group == VKD__LR_BACKBONE && factor == 1)
            continue;
        bool beside = group == VKD__LR_CLASSIFIER && run->network.probe;    // a probe is not decayed
        groups[count++] = (struct vkd_optimizer_group) { info->name, factor, beside ? 0 : 1, (uint32_t) group };
    }
    *out = groups;
    *out_count = count;
    return VKD_OK;
}

vkd_result vkd__run_open_optimizer(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    struct vkd_optimizer_config c;
    struct vkd_optimizer_group *groups = NULL;
    uint32_t count = 0;
    vkd_result r = vkd_optimizer_defaults(re->optimizer.name, &c);
    if (r == VKD_OK)
        r = make_groups(run, &groups, &count);
    if (r < 0)
        return r;
    c.momentum = re->optimizer.momentum;
    c.nesterov = re->optimizer.nesterov && re->optimizer.momentum > 0;
    c.weight_decay = re->optimizer.weight_decay;
    c.decay_norm_bias = re->optimizer.decay_norm_bias;
    c.beta1 = re->optimizer.beta1;
    c.beta2 = re->optimizer.beta2;
    c.eps = re->optimizer.eps;
    c.eta = re->optimizer.eta;
    c.clip_lr = re->optimizer.clip_lr;
    c.clip_norm = re->optimizer.clip_norm;
    c.accumulation = re->accumulate;
    c.ema_decay = re->ema;
    if (run->network.precision == VKD_F16) {    // bf16 reaches as far as f32
        c.loss_scale.start = re->loss_scale.start;
        c.loss_scale.growth = re->loss_scale.growth;
        c.loss_scale.backoff = re->loss_scale.backoff;
        c.loss_scale.interval = re->loss_scale.interval;
    }
    c.groups = groups;
    c.group_count = count;
    r = vkd_optimizer_create(run->dev, run->params, &c, &run->optimizer);
    free(groups);
    return r;
}

// ---- Feeds ----

static const char *const view_names[] = { "view0", "view1", "view2", "view3", "view4", "view5", "view6", "view7", "view8",
                                          "view9" };
_Static_assert(sizeof(view_names) / sizeof(view_names[0]) == VKD__SSL_VIEWS_MAX, "view_names");

static const char *const embeddings[] = {
#define VIEW(v) "embed." #v ".0", "embed." #v ".1", "target." #v ".0", "target." #v ".1"
    VIEW(0), VIEW(1), VIEW(2), VIEW(3), VIEW(4), VIEW(5), VIEW(6), VIEW(7), VIEW(8), VIEW(9),
#undef VIEW
};

static void add_view(struct vkd__route *route, const char *input, struct vkd__augment_params augment)
{
    route->views[route->view_count++] = (struct vkd__feed_view) { input, augment };
}

static void add_ssl_views(const struct vkd__run *run, const struct vkd__augment_params *plain, struct vkd__route *route)
{
    const struct vkd_recipe *re = run->recipe;
    uint32_t size;
    for (uint32_t v = 0; vkd__network_view(&run->network, v, &size); v++) {
        const struct vkd_recipe_view *view = v == 0 ? &re->view1 : v == 1 ? &re->view2 : &re->crops.view;
        add_view(route, view_names[v], vkd__view(view, plain, size, VKD__VIEW_1 + v));
    }
}

static bool has(const vkd_graph *g, const char *name)
{
    return g && vkd_graph_find(g, name);
}

static struct vkd__route route_of(const struct vkd__run *run, enum vkd__route_kind kind,
                                  const struct vkd__augment_params *plain)
{
    static const char *const marks[] = { "loss", "ssl_loss", "supervised_loss", "probe_loss", "spread", "rank",
                                         "diversity_penalty" };
    enum vkd__graph_kind graph = vkd__run_graph(run, kind);
    const vkd_graph *g = run->graphs[graph], *loss = run->graphs[VKD__GRAPH_LOSS];
    bool cached = graph == VKD__GRAPH_CACHED || graph == VKD__GRAPH_CACHED_MIXED;
    struct vkd__route route = { .program = run->programs[graph], .loader = vkd__run_loader(run, kind),
                                .labels = run->network.classes > 0 };
    if (kind == VKD__ROUTE_SSL || kind == VKD__ROUTE_MIXED)
        add_ssl_views(run, plain, &route);
    if (kind != VKD__ROUTE_SSL)
        add_view(&route, "images", vkd__view_supervised(run->recipe, plain));
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (has(g, marks[i]) || (cached && has(loss, marks[i])))
            route.marks[route.mark_count++] = marks[i];
    if (!cached)
        return route;
    route.embed = run->programs[VKD__GRAPH_EMBED];
    route.loss = run->programs[VKD__GRAPH_LOSS];
    for (size_t i = 0; i < sizeof(embeddings) / sizeof(embeddings[0]); i++)
        if (has(loss, embeddings[i]) && route.cached_count < VKD__FEED_CACHED_MAX)
            route.cached[route.cached_count++] = embeddings[i];
    return route;
}

static vkd_result open_train_feed(struct vkd__run *run)
{
    struct vkd__augment_params plain = vkd__augment_plain(&run->model, run->train_images.resize);
    struct vkd__route routes[4];
    uint32_t count = 0;
    for (uint32_t k = 0; k < 4; k++) {
        if (!run->plan.used[k])
            continue;
        run->routes[k] = count;
        routes[count++] = route_of(run, (enum vkd__route_kind) k, &plain);
    }
    return vkd__feed_create(&(struct vkd__feed_params) {
        .dev = run->dev, .routes = routes, .route_count = count, .batch = run->micro_batch,
        .micro_count = run->recipe->accumulate, .labelled = run->labelled, .multi_label = run->network.multi_label,
        .classes = run->network.multi_label ? run->network.classes : 0,
        .metrics = vkd_optimizer_metrics(run->optimizer) }, &run->train_feed);
}

static vkd_result open_test_feed(struct vkd__run *run)
{
    struct vkd__augment_params plain = vkd__augment_plain(&run->model, run->test_images.resize);
    struct vkd__augment_params train = vkd__augment_plain(&run->model, run->train_images.resize);
    const vkd_graph *g = run->graphs[VKD__GRAPH_EVALUATION];
    struct vkd__route routes[VKD__TEST_ROUTES] = { { .program = run->programs[VKD__GRAPH_EVALUATION] } };
    vkd_loader *loaders[] = { run->test_loader, run->probe_loader, run->neighbour_loader };
    uint32_t count = 0;
    for (uint32_t i = 0; i < VKD__TEST_ROUTES; i++) {
        struct vkd__route *route = &routes[count];
        *route = (struct vkd__route) { .program = run->programs[VKD__GRAPH_EVALUATION], .labels = run->network.classes > 0,
                                       .loader = loaders[i] ? loaders[i] : run->test_loader };
        add_view(route, "images", i == VKD__TEST ? plain : train);
        route->marks[route->mark_count++] = "features";
        const char *const more[] = { "loss", "rank", run->network.multi_label ? "logits" : "" };
        for (size_t m = 0; i == VKD__TEST && m < sizeof(more) / sizeof(more[0]); m++)
            if (more[m][0] && has(g, more[m]))
                route->marks[route->mark_count++] = more[m];
        count++;
    }
    return vkd__feed_create(&(struct vkd__feed_params) {
        .dev = run->dev, .routes = routes, .route_count = count, .batch = run->micro_batch, .micro_count = 1,
        .multi_label = run->network.multi_label, .classes = run->network.multi_label ? run->network.classes : 0,
    }, &run->test_feed);
}

// ---- Recorded lists ----

static vkd_result begin(struct vkd__run *run, vkd_commands **cmds)
{
    vkd_result r = vkd_commands_create(run->dev, cmds);
    return r == VKD_OK ? vkd_commands_begin(*cmds) : r;
}

static vkd_result record_micro(struct vkd__run *run, enum vkd__route_kind kind)
{
    struct vkd_range loss;
    vkd_program *program = run->programs[vkd__run_graph(run, kind)];
    vkd_result r = vkd_program_range(program, "loss", &loss);
    if (r == VKD_OK)
        r = begin(run, &run->micro[kind]);
    if (r < 0)
        return r;
    vkd_optimizer_record_micro(run->optimizer, run->micro[kind], vkd_program_step_block(program), &loss);
    return vkd_commands_end(run->micro[kind]);
}

// The name in the store of a parameter that the method calls `name`.
static const char *ssl_name(char text[128], const char *name)
{
    snprintf(text, 128, "ssl.%s", name);
    return text;
}

// Every program has a step block of its own; the update reads that of the step's program, so there is one list each.
static vkd_result record_update(struct vkd__run *run, enum vkd__route_kind kind)
{
    const struct vkd__ssl_method *m = run->network.method;
    struct vkd_range step = vkd_program_step_block(run->programs[vkd__run_graph(run, kind)]);
    struct vkd_range metrics = vkd_optimizer_metrics(run->optimizer);
    char name[128];
    vkd_result r = begin(run, &run->update[kind]);
    if (r < 0)
        return r;
    vkd_optimizer_record(run->optimizer, run->update[kind], step);
    bool ssl = kind == VKD__ROUTE_SSL || kind == VKD__ROUTE_MIXED;
    if (ssl && run->teacher)
        vkd__teacher_record(run->teacher, run->update[kind], step, metrics);
    if (ssl && m->unit_columns)
        r = vkd__unit_columns_record(run->dev, run->params, ssl_name(name, m->unit_columns), metrics, run->update[kind]);
    vkd_result end = vkd_commands_end(run->update[kind]);
    return r < 0 ? r : end;
}

static vkd_result record_lists(struct vkd__run *run)
{
    vkd_result r = VKD_OK;
    for (uint32_t k = 0; r == VKD_OK && k < 4; k++) {
        if (!run->plan.used[k])
            continue;
        r = record_micro(run, (enum vkd__route_kind) k);
        if (r == VKD_OK)
            r = record_update(run, (enum vkd__route_kind) k);
    }
    if (r < 0 || !run->average)
        return r;
    r = begin(run, &run->copy_average);
    if (r == VKD_OK) {
        vkd_commands_copy(run->copy_average, vkd_params_values(run->average), vkd_optimizer_ema(run->optimizer));
        r = vkd_commands_end(run->copy_average);
    }
    return r;
}

vkd_result vkd__run_open_lists(struct vkd__run *run)
{
    bool ssl = run->plan.used[VKD__ROUTE_SSL] || run->plan.used[VKD__ROUTE_MIXED];
    vkd_result r = VKD_OK;
    if (ssl && run->network.method->teacher)
        r = vkd__teacher_create(&(struct vkd__teacher_params) { run->dev, run->params, "teacher.", NULL }, &run->teacher);
    if (r == VKD_OK)
        r = open_train_feed(run);
    if (r == VKD_OK)
        r = open_test_feed(run);
    return r == VKD_OK ? record_lists(run) : r;
}

vkd_result vkd__run_start_heads(struct vkd__run *run)
{
    const struct vkd__ssl_method *m = run->network.method;
    char name[128];
    vkd_result r = run->teacher ? vkd__teacher_reset(run->teacher) : VKD_OK;
    bool ssl = run->plan.used[VKD__ROUTE_SSL] || run->plan.used[VKD__ROUTE_MIXED];
    if (r == VKD_OK && ssl && m->unit_columns)
        r = vkd__unit_columns_apply(run->dev, run->params, ssl_name(name, m->unit_columns),
                                    vkd_optimizer_metrics(run->optimizer));
    return r;
}
