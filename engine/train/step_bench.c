// step_bench.c -- timing the steps of a recipe: a run without files, whose kind of step is held fast.
#include "step_bench.h"
#include "run.h"
#include "../../runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRAMS_MAX = VKD__GRAPH_KINDS };

static const char *const kind_names[4] = { "self-supervised", "mixed", "supervised", "head warm-up" };

struct vkd__step_bench {
    struct vkd__run run;
    struct vkd_train_params params;
    uint32_t kind;              // enum vkd__route_kind
    uint8_t *phases[PROGRAMS_MAX];      // of the calls of run.programs[]
    double *spent;              // by phase, while a step is taken apart; else NULL
    uint32_t waits;
};

uint32_t vkd__step_bench_kinds(const vkd__step_bench *b)
{
    uint32_t count = 0;
    for (int k = 0; k < 4; k++)
        count += b->run.plan.used[k];
    return count;
}

static vkd_result choose_kind(vkd__step_bench *b, uint32_t index)
{
    for (uint32_t k = 0; k < 4; k++) {
        if (!b->run.plan.used[k] || index--)
            continue;
        b->kind = k;
        return VKD_OK;
    }
    vkd_log_write(&b->run.log, VKD_LOG_ERROR, "bench: the recipe has only %u kinds of steps", vkd__step_bench_kinds(b));
    return VKD_INVALID;
}

vkd_result vkd__step_bench_open(vkd_device *dev, const struct vkd_recipe *recipe, uint32_t kind, vkd__step_bench **out)
{
    vkd__step_bench *b = calloc(1, sizeof(*b));
    if (!b)
        return VKD_NO_MEMORY;
    b->params.recipe = recipe;
    vkd_result r = vkd__run_open_bare(&b->run, dev, &b->params);
    if (r == VKD_OK)
        r = choose_kind(b, kind);
    for (uint32_t k = 0; r == VKD_OK && k < PROGRAMS_MAX; k++) {
        const vkd_program *p = b->run.programs[k];
        if (!p)
            continue;
        b->phases[k] = calloc(p->compiled.call_count + 1, 1);
        r = b->phases[k] ? vkd__phases_of(&b->run.network, p, b->phases[k]) : VKD_NO_MEMORY;
    }
    if (r == VKD_OK)
        *out = b;
    else
        vkd__step_bench_close(&b);
    return r;
}

void vkd__step_bench_close(vkd__step_bench **pb)
{
    vkd__step_bench *b = *pb;
    if (!b)
        return;
    vkd__run_close(&b->run);
    for (uint32_t k = 0; k < PROGRAMS_MAX; k++)
        free(b->phases[k]);
    free(b);
    *pb = NULL;
}

// ---- What a step is ----

// How often a step runs the program of a graph.
static uint32_t runs_of(const vkd__step_bench *b, enum vkd__graph_kind kind)
{
    enum vkd__graph_kind main = vkd__run_graph(&b->run, (enum vkd__route_kind) b->kind);
    bool cached = main == VKD__GRAPH_CACHED || main == VKD__GRAPH_CACHED_MIXED;
    if (kind == main || (cached && kind == VKD__GRAPH_EMBED))
        return b->run.recipe->accumulate;
    return cached && kind == VKD__GRAPH_LOSS;
}

// Products and convolutions, each gradient being as much work as the result.
static double work_of(const vkd_program *p)
{
    double work = 0;
    for (uint32_t i = 0; i < p->compiled.call_count; i++) {
        const struct vkd_call *c = &p->compiled.calls[i].call;
        bool product = !strcmp(c->op->name, "matmul"), conv = !strcmp(c->op->name, "conv2d");
        const uint32_t *y = c->out[0].shape.d, *w = c->in[1].shape.d;
        double one = 2.0 * y[0] * y[1] * y[2] * y[3];
        one *= product ? c->in[0].shape.d[c->attr.trans_a ? 2 : 3] : conv ? (double) w[0] * w[1] * w[2] : 0;
        work += one * (p->compiled.calls[i].backward ? (c->want & 1) + (c->want >> 1 & 1) : 1);
    }
    return work;
}

struct vkd__step_info vkd__step_bench_info(const vkd__step_bench *b)
{
    const struct vkd__run *run = &b->run;
    bool ssl = b->kind == VKD__ROUTE_SSL || b->kind == VKD__ROUTE_MIXED;
    struct vkd__step_info info = {
        .kind = kind_names[b->kind], .images = run->recipe->batch, .memory = run->memory, .width = run->model.width,
        .size = run->model.size, .optimizer = run->recipe->optimizer.name, .views = b->kind != VKD__ROUTE_SSL,
        .waits = b->waits,
    };
    uint32_t size;
    while (ssl && vkd__network_view(&run->network, info.views - (b->kind == VKD__ROUTE_MIXED), &size))
        info.views++;
    for (uint32_t k = 0; k < PROGRAMS_MAX; k++) {
        uint32_t runs = runs_of(b, (enum vkd__graph_kind) k);
        info.work += runs ? runs * work_of(run->programs[k]) : 0;
        info.calls += runs ? runs * run->programs[k]->compiled.call_count : 0;
    }
    snprintf(info.model, sizeof(info.model), "%.31s", run->model.arch);
    return info;
}

vkd_params *vkd__step_bench_params(const vkd__step_bench *b)
{
    return b->run.params;
}

// ---- Timing ----

static vkd_result submit(vkd__step_bench *b)
{
    struct vkd__run *run = &b->run;
    if (run->inject.done)
        run->inject = (struct vkd__inject_state) { 0 };
    uint32_t step = run->inject.step;
    struct vkd__inject_step what = vkd__inject_next(&run->plan, &run->inject);
    what.kind = (enum vkd__route_kind) b->kind;
    what.ssl_weight = what.supervised_weight = what.kind == VKD__ROUTE_MIXED ? 0.5 : 1;
    struct vkd_step_block block = vkd__run_step_block(run, step, &what);
    uint64_t waits = vkd_device_stats(run->dev).waits;
    vkd_result r = vkd__feed_submit(run->train_feed, run->routes[b->kind], &block, run->micro[b->kind],
                                    &run->update[b->kind], 1, NULL);
    waits = vkd_device_stats(run->dev).waits - waits;
    if (!b->spent && waits > b->waits)
        b->waits = (uint32_t) waits;
    run->ssl_steps += r == VKD_OK;
    return r;
}

vkd_result vkd__step_bench_run(vkd__step_bench *b, uint32_t steps, double *seconds)
{
    struct vkd__feed_result result;
    vkd__feed *f = b->run.train_feed;
    double start = vkd__os_seconds();
    vkd_result r = steps ? VKD_OK : VKD_INVALID;
    for (uint32_t i = 0; r == VKD_OK && i < steps; i++) {
        if (vkd__feed_full(f))
            r = vkd__feed_collect(f, &result);
        if (r == VKD_OK)
            r = submit(b);
    }
    while (r == VKD_OK && !vkd__feed_empty(f))
        r = vkd__feed_collect(f, &result);
    if (r == VKD_OK)
        *seconds = (vkd__os_seconds() - start) / steps;
    return r;
}

static void list_done(void *user, enum vkd__feed_work work, double seconds)
{
    static const enum vkd__phase phases[] = {
        [VKD__FEED_COPIES] = VKD__PHASE_REST, [VKD__FEED_VIEWS] = VKD__PHASE_VIEWS, [VKD__FEED_UPDATE] = VKD__PHASE_UPDATE,
    };
    vkd__step_bench *b = user;
    b->spent[phases[work]] += seconds;
}

static void call_done(void *user, const vkd_program *p, uint32_t call, double seconds)
{
    vkd__step_bench *b = user;
    uint32_t k = 0;
    while (b->run.programs[k] != p)
        k++;
    b->spent[call == UINT32_MAX ? VKD__PHASE_REST : b->phases[k][call]] += seconds;
}

vkd_result vkd__step_bench_phases(vkd__step_bench *b, double seconds[VKD__PHASE_COUNT])
{
    const struct vkd__feed_timer timer = { list_done, call_done, b };
    double spent[VKD__PHASE_COUNT] = { 0 }, one;
    b->spent = spent;
    vkd__feed_time(b->run.train_feed, &timer);
    double start = vkd__os_seconds();
    vkd_result r = vkd__step_bench_run(b, 1, &one);
    double all = vkd__os_seconds() - start;
    vkd__feed_time(b->run.train_feed, NULL);
    b->spent = NULL;
    for (int i = 0; i < VKD__PHASE_COUNT; i++)      // what no list took: the host
        all -= spent[i];
    spent[VKD__PHASE_REST] += all > 0 ? all : 0;
    for (int i = 0; r == VKD_OK && i < VKD__PHASE_COUNT; i++)
        seconds[i] = spent[i];
    return r;
}
