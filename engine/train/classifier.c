// classifier.c -- the graph of a supervised classifier, and one pass over a test set.
#include "classifier.h"
#include "../../runtime/os.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

vkd_result vkd__classifier_graph(const struct vkd_log *log, const struct vkd_weights_info *info, float dropout,
                                 bool zero_init_residual, float label_smoothing, uint32_t batch, vkd_graph **out)
{
    vkd_graph *g = NULL;
    vkd_result r = vkd_graph_create(log, &g);
    if (r < 0)
        return r;
    vkd_tensor *images = vkd_input(g, "images", VKD_F32, (struct vkd_shape) {{ batch, info->size, info->size, info->channels }});
    vkd_tensor *labels = vkd_input(g, "labels", VKD_U32, (struct vkd_shape) {{ 1, 1, 1, batch }});
    struct vkd_model m = vkd_model_build(g, images, &(struct vkd_model_params) {
        .arch = info->arch, .width = info->width, .cifar_stem = info->cifar_stem, .classes = info->classes,
        .dropout = dropout, .zero_init_residual = zero_init_residual,
    });
    vkd_tensor *loss = vkd_mark(g, vkd_cross_entropy(g, m.logits, labels, label_smoothing), "loss");
    vkd_mark(g, vkd_label_rank(g, m.logits, labels), "rank");
    vkd_graph_loss(g, loss);
    if (vkd_graph_error(g)) {
        vkd_graph_destroy(&g);
        return VKD_INVALID;
    }
    *out = g;
    return VKD_OK;
}

struct vkd__route vkd__classifier_route(vkd_program *program, vkd_loader *loader, const struct vkd__augment_params *augment)
{
    return (struct vkd__route) {
        .program = program, .loader = loader, .views = { { "images", *augment } }, .view_count = 1,
        .marks = { "loss", "rank" }, .mark_count = 2, .labels = true,
    };
}

struct vkd__image_plan vkd__image_plan(const struct vkd_dataset_info *info, uint32_t size, uint32_t batch,
                                       uint64_t binding_max)
{
    struct vkd__image_plan plan;
    if (info->height && info->width) {
        plan.canvas = info->height > info->width ? info->height : info->width;
        plan.short_side = 0;
        plan.resize = size;
        return plan;
    }
    // Room to crop from, and for images twice as long as wide; less when a batch would not fit one binding.
    uint32_t most = (uint32_t) sqrt((double) (binding_max / 4 / batch));
    plan.canvas = 2 * size < most ? 2 * size : most;
    plan.short_side = 3 * size / 2 < plan.canvas ? 3 * size / 2 : plan.canvas;
    plan.resize = (8 * size + 3) / 7;
    return plan;
}

struct vkd__augment_params vkd__augment_plain(const struct vkd_weights_info *info, uint32_t resize)
{
    struct vkd__augment_params a = {
        .mode = VKD__AUGMENT_NONE, .size = info->size, .channels = info->channels, .resize = resize,
        .scale = { 1, 1 }, .ratio = { 1, 1 },
    };
    memcpy(a.mean, info->mean, sizeof(a.mean));
    memcpy(a.std, info->std, sizeof(a.std));
    return a;
}

// ---- Evaluation ----

void vkd__count_right(const vkd__feed *f, const struct vkd__feed_result *r, uint32_t *right, uint32_t *right5)
{
    const uint32_t batch = vkd__feed_batch(f), *ranks;
    *right = *right5 = 0;
    for (uint32_t m = 0; (ranks = vkd__feed_mark(f, "rank", m, NULL)); m++) {
        for (uint32_t i = 0; i < batch; i++) {
            bool seen = r->labels[m * batch + i] != VKD_NO_LABEL;
            *right += seen && ranks[i] == 0;
            *right5 += seen && ranks[i] < 5;
        }
    }
}

static void add_result(struct vkd__eval_sums *s, const vkd__feed *f, const struct vkd__feed_result *r)
{
    const float *loss = vkd__feed_mark(f, "loss", 0, NULL);
    const uint32_t *ranks = vkd__feed_mark(f, "rank", 0, NULL);
    uint32_t right, right5;
    vkd__count_right(f, r, &right, &right5);
    s->count += r->count;
    s->right += right;
    s->right5 += right5;
    s->loss += (double) loss[0] * r->count;
    for (uint32_t i = 0; i < vkd__feed_batch(f); i++) {
        if (r->labels[i] >= s->classes)
            continue;
        s->class_count[r->labels[i]]++;
        s->class_right[r->labels[i]] += ranks[i] == 0;
    }
}

static void report(const struct vkd__eval_run *e, const struct vkd__eval_sums *s, uint32_t batch, uint32_t batches, double start)
{
    struct vkd_progress p = e->base;
    if (!e->progress)
        return;
    p.event = VKD_PROGRESS_EVAL_BATCH;
    p.batch = batch;
    p.batch_count = batches;
    p.loss = s->count ? (float) (s->loss / s->count) : 0;
    p.accuracy = s->count ? (float) s->right / (float) s->count : 0;
    double spent = vkd__os_seconds() - start;
    p.images_per_second = spent > 0 ? s->count / spent : 0;
    p.eta_seconds = batch ? spent / batch * (batches - batch) : 0;
    e->progress(e->user, &p);
}

vkd_result vkd__evaluate(const struct vkd__eval_run *e, struct vkd__eval_sums *out)
{
    struct vkd__eval_sums s = { .classes = e->classes };
    uint32_t batches = vkd_loader_batches(e->loader), submitted = 0, collected = 0;
    double start = vkd__os_seconds(), told = start;
    vkd_result r = VKD_NO_MEMORY;
    s.class_count = calloc(e->classes, sizeof(uint32_t));
    s.class_right = calloc(e->classes, sizeof(uint32_t));
    if (s.class_count && s.class_right)
        r = vkd_loader_seek(e->loader, 0, 0);
    while (r == VKD_OK && collected < batches) {
        struct vkd_step_block step = { .micro = 0 };
        struct vkd__feed_result result;
        if (submitted < batches && !vkd__feed_full(e->feed)) {
            r = vkd__feed_submit(e->feed, 0, &step, NULL, NULL, 0, NULL);
            submitted++;
            continue;
        }
        r = vkd__feed_collect(e->feed, &result);
        if (r < 0)
            break;
        add_result(&s, e->feed, &result);
        collected++;
        if (vkd__os_seconds() - told > 0.1 || collected == batches) {
            told = vkd__os_seconds();
            report(e, &s, collected, batches, start);
        }
        if (e->stop && e->stop(e->user))
            r = VKD_INTERRUPTED;
    }
    while (!vkd__feed_empty(e->feed)) {
        struct vkd__feed_result rest;
        vkd_result drained = vkd__feed_collect(e->feed, &rest);
        r = r == VKD_OK ? drained : r;
    }
    if (r < 0)
        vkd__eval_sums_finish(&s);
    else
        *out = s;
    return r;
}

void vkd__eval_sums_finish(struct vkd__eval_sums *s)
{
    free(s->class_count);
    free(s->class_right);
    memset(s, 0, sizeof(*s));
}
