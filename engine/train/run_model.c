// run_model.c -- the graphs of a run, whether they fit the device, and their programs.
#include "run.h"
#include "views.h"
#include "../graph_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool cached(const struct vkd__run *run)
{
    return run->network.method && run->recipe->ssl.grad_cache && run->recipe->accumulate > 1;
}

uint32_t vkd__run_loss_batch(const struct vkd__run *run)
{
    return run->micro_batch * (cached(run) ? run->recipe->accumulate : 1);
}

enum vkd__graph_kind vkd__run_graph(const struct vkd__run *run, enum vkd__route_kind kind)
{
    switch (kind) {
    case VKD__ROUTE_SSL:        return cached(run) ? VKD__GRAPH_CACHED : VKD__GRAPH_SSL;
    case VKD__ROUTE_MIXED:      return cached(run) ? VKD__GRAPH_CACHED_MIXED : VKD__GRAPH_MIXED;
    case VKD__ROUTE_SUPERVISED: return VKD__GRAPH_SUPERVISED;
    default:                    return VKD__GRAPH_WARMUP;
    }
}

static bool needed(const struct vkd__run *run, enum vkd__graph_kind kind)
{
    const bool *used = run->plan.used;
    bool ssl = used[VKD__ROUTE_SSL] || used[VKD__ROUTE_MIXED];
    for (int k = 0; k < 4; k++)
        if (used[k] && vkd__run_graph(run, (enum vkd__route_kind) k) == kind)
            return true;
    return kind == VKD__GRAPH_EVALUATION || ((kind == VKD__GRAPH_EMBED || kind == VKD__GRAPH_LOSS) && ssl && cached(run));
}

static struct vkd_program_params how(enum vkd__graph_kind kind)
{
    return (struct vkd_program_params) {
        .training = kind != VKD__GRAPH_EVALUATION, .still = kind == VKD__GRAPH_EMBED,
        .backward = kind != VKD__GRAPH_EVALUATION && kind != VKD__GRAPH_EMBED,
    };
}

static uint32_t batch_of(const struct vkd__run *run, enum vkd__graph_kind kind, uint32_t micro_batch)
{
    return kind == VKD__GRAPH_LOSS ? micro_batch * run->recipe->accumulate : micro_batch;
}

// ---- Does it fit ----

// Bytes of all parameters that the graphs declare, each counted once.
static uint64_t parameter_bytes(vkd_graph *const *graphs)
{
    uint64_t bytes = 0;
    for (uint32_t k = 0; k < VKD__GRAPH_KINDS; k++) {
        for (uint32_t i = 0; graphs[k] && i < graphs[k]->tensor_count; i++) {
            const struct vkd_tensor *t = graphs[k]->tensors[i];
            bool before = false;
            for (uint32_t j = 0; t->kind == VKD_TENSOR_PARAM && j < k && !before; j++)
                before = graphs[j] && vkd_graph_find(graphs[j], t->name);
            if (t->kind == VKD_TENSOR_PARAM && !before)
                bytes += 4 * vkd__numel(t->desc.shape);
        }
    }
    return bytes;
}

// Bytes: the arena that programs share, LOSS's own, all parameters.
struct need { uint64_t shared, own, values; };

// What the programs need with micro-batches of `batch`.
static vkd_result estimate(struct vkd__run *run, const struct vkd_log *log, uint32_t batch, struct need *out)
{
    vkd_graph *graphs[VKD__GRAPH_KINDS] = { NULL };
    struct need need = { 0, 0, 0 };
    vkd_result r = VKD_OK;
    for (uint32_t k = 0; r == VKD_OK && k < VKD__GRAPH_KINDS; k++) {
        enum vkd__graph_kind kind = (enum vkd__graph_kind) k;
        struct vkd_program_params params = how(kind);
        struct vkd_program_memory m;
        if (!needed(run, kind))
            continue;
        // Its other errors were told of a small batch: this one is a tensor that is too large.
        if (vkd__network_graph(log, &run->network, kind, batch_of(run, kind, batch), &graphs[k]) < 0)
            r = VKD_NO_MEMORY;
        if (r == VKD_OK)
            r = vkd_program_estimate(vkd_device_caps(run->dev), graphs[k], &params, &m);
        if (r == VKD_OK && kind == VKD__GRAPH_LOSS)
            need.own = m.arena;
        else if (r == VKD_OK && m.arena > need.shared)
            need.shared = m.arena;
    }
    need.values = parameter_bytes(graphs);
    if (r == VKD_OK)
        *out = need;
    for (uint32_t k = 0; k < VKD__GRAPH_KINDS; k++)
        vkd_graph_destroy(&graphs[k]);
    return r;
}

// Bytes that the feeds take.
static uint64_t feed_bytes(const struct vkd__run *run, uint32_t batch)
{
    uint32_t canvas = run->train_images.canvas, size;
    uint64_t scratch = 0;
    struct vkd__augment_params plain = vkd__augment_plain(&run->model, run->train_images.resize);
    for (uint32_t v = 0; vkd__network_view(&run->network, v, &size); v++) {
        const struct vkd_recipe_view *view = v == 0 ? &run->recipe->view1 : v == 1 ? &run->recipe->view2
                                                                                   : &run->recipe->crops.view;
        struct vkd__augment_params a = vkd__view(view, &plain, size, VKD__VIEW_1 + v);
        uint64_t bytes = vkd__augment_scratch(&a, batch);
        scratch = bytes > scratch ? bytes : scratch;
    }
    struct vkd__feed_size train = {
        .batch = batch, .micro_count = run->recipe->accumulate, .classes = run->network.multi_label ? run->network.classes : 0,
        .pixels = (uint64_t) batch * canvas * canvas, .marks = 4096 + 4ull * batch, .scratch = scratch,
    }, test = train;
    test.micro_count = 1;
    test.scratch = 0;
    test.marks = 4ull * batch * (2048 + run->network.classes);
    return vkd__feed_memory(&train) + vkd__feed_memory(&test);
}

// Device memory of a run with micro-batches of `batch`; UINT64_MAX when the device cannot bind it.
static uint64_t memory_of(struct vkd__run *run, uint32_t batch)
{
    const struct vkd_log quiet = { 0 };
    struct need need;
    vkd_result r = estimate(run, &quiet, batch, &need);
    if (r == VKD_INVALID)
        return 0;               // no matter of memory: making the programs says what is wrong
    if (r < 0)
        return UINT64_MAX;
    bool adam = strstr("adam adamw lamb", run->recipe->optimizer.name) != NULL;
    uint32_t copies = 2 + (adam ? 2 : 1) + (run->recipe->accumulate > 1) + 2 * (run->recipe->ema > 0);
    return need.shared + need.own + need.values * copies + feed_bytes(run, batch);
}

// Says before anything is allocated whether the run fits, and which batch would.
static vkd_result check_memory(struct vkd__run *run)
{
    const struct vkd_caps *caps = vkd_device_caps(run->dev);
    uint64_t budget = caps->memory_budget ? caps->memory_budget : caps->memory_size;
    uint64_t need = run->memory = memory_of(run, run->micro_batch);
    if (need <= budget) {
        vkd_log_write(&run->log, VKD_LOG_INFO, "memory: about %.0f MiB of the %.0f MiB free on %s", need / 1048576.0,
                      budget / 1048576.0, caps->name);
        return VKD_OK;
    }
    uint32_t fits = 0;
    for (uint32_t bit = 1u << 20; bit; bit >>= 1)
        if ((fits | bit) < run->micro_batch && memory_of(run, fits | bit) <= budget)
            fits |= bit;
    // Both suggestions must divide: `batch` by the present accumulate, the present batch by `parts`.
    uint32_t whole = run->recipe->batch, parts = fits ? (whole + fits - 1) / fits : 0;
    while (parts && whole % parts)
        parts++;
    if (!fits)
        need = memory_of(run, 1);
    char needs[64] = "more than one binding of this device can hold";
    if (need != UINT64_MAX)
        snprintf(needs, sizeof(needs), "about %.0f MiB", need / 1048576.0);
    if (fits)
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%u images at once need %s; %s has %.0f MiB free. A batch of %u fits: set "
                      "batch=%u, or keep batch=%u and set accumulate=%u%s", run->micro_batch, needs, caps->name,
                      budget / 1048576.0, fits, fits * run->recipe->accumulate, whole, parts,
                      run->network.method ? " and ssl.grad_cache=true" : "");
    else
        vkd_log_write(&run->log, VKD_LOG_ERROR, "not even one image at once fits: it needs %s, %s has %.0f MiB free; use a "
                      "smaller model.width or model.size", needs, caps->name, budget / 1048576.0);
    return VKD_NO_MEMORY;
}

// ---- Making them ----

static vkd_result open_programs(struct vkd__run *run)
{
    vkd_result r = VKD_OK;
    for (uint32_t k = 0; r == VKD_OK && k < VKD__GRAPH_KINDS; k++) {
        enum vkd__graph_kind kind = (enum vkd__graph_kind) k;
        struct vkd_program_params params = how(kind);
        params.arena = kind == VKD__GRAPH_LOSS ? NULL : run->arena;
        if (kind != VKD__GRAPH_LOSS)        // its gradients go into the loss of another, which is scaled
            params.loss_scale = vkd_optimizer_loss_scale(run->optimizer);
        vkd_params *values = kind == VKD__GRAPH_EVALUATION && run->average ? run->average : run->params;
        if (run->graphs[k])
            r = vkd_program_create(run->dev, run->graphs[k], values, &params, &run->programs[k]);
    }
    return r;
}

// RankMe of fewer images than dimensions says how many images there are.
static void check_probe_set(const struct vkd__run *run)
{
    const vkd_tensor *features = vkd_graph_find(run->graphs[VKD__GRAPH_EVALUATION], "features");
    uint32_t width = features ? vkd_tensor_shape(features).d[3] : 0, images = run->recipe->monitor.images;
    if (run->network.method && images && images <= width)
        vkd_log_write(&run->log, VKD_LOG_WARNING, "monitor.images: RankMe of %u images cannot pass %u, and the features have %u "
                      "dimensions: set it above that", images, images, width);
}

vkd_result vkd__run_open_model(struct vkd__run *run)
{
    const vkd_graph *declared[VKD__GRAPH_KINDS];
    struct need need;
    uint32_t count = 0;
    vkd_result r = VKD_OK;
    for (uint32_t k = 0; r == VKD_OK && k < VKD__GRAPH_KINDS; k++) {    // what is wrong at any batch is said first
        enum vkd__graph_kind kind = (enum vkd__graph_kind) k;
        vkd_graph *one = NULL;
        if (needed(run, kind) && kind != VKD__GRAPH_LOSS)
            r = vkd__network_graph(&run->log, &run->network, kind, run->network.method ? run->micro_batch : 1, &one);
        vkd_graph_destroy(&one);
    }
    if (r == VKD_OK)
        r = check_memory(run);
    if (r == VKD_OK)
        r = estimate(run, &run->log, run->micro_batch, &need);
    for (uint32_t k = 0; r == VKD_OK && k < VKD__GRAPH_KINDS; k++) {
        enum vkd__graph_kind kind = (enum vkd__graph_kind) k;
        if (!needed(run, kind))
            continue;
        r = vkd__network_graph(&run->log, &run->network, kind, batch_of(run, kind, run->micro_batch), &run->graphs[k]);
        if (r == VKD_OK)
            declared[count++] = run->graphs[k];
    }
    if (r == VKD_OK) {
        check_probe_set(run);
        r = vkd_params_create_all(run->dev, declared, count, true, &run->params);
    }
    if (r == VKD_OK && run->recipe->ema > 0)
        r = vkd_params_create_all(run->dev, declared, count, false, &run->average);
    if (r == VKD_OK)
        r = vkd__run_open_optimizer(run);
    if (r == VKD_OK)
        r = vkd_arena_create(run->dev, need.shared, &run->arena);
    return r == VKD_OK ? open_programs(run) : r;
}
