// classifier.c -- how images are prepared for a model, and testing one.
#include "classifier.h"
#include "../../runtime/os.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

struct evaluation {
    const struct vkd__eval_run *e;
    struct vkd__eval_sums s;
    struct vkd__features logits;        // with several labels an image
    uint32_t batches, batch;
    double start, told;
};

static void add_ranks(struct evaluation *v, const struct vkd__feed_result *r)
{
    const uint32_t *ranks = vkd__feed_mark(v->e->feed, "rank", 0, NULL);
    uint32_t right, right5;
    if (!ranks)
        return;
    vkd__count_right(v->e->feed, r, &right, &right5);
    v->s.right += right;
    v->s.right5 += right5;
    for (uint32_t i = 0; i < r->images; i++) {
        if (r->labels[i] >= v->s.classes)
            continue;
        v->s.class_count[r->labels[i]]++;
        v->s.class_right[r->labels[i]] += ranks[i] == 0;
    }
}

static void report(struct evaluation *v)
{
    struct vkd_progress p = v->e->base;
    double now = vkd__os_seconds(), spent = now - v->start;
    if (!v->e->progress || (now - v->told <= 0.1 && v->batch != v->batches))
        return;
    v->told = now;
    p.event = VKD_PROGRESS_EVAL_BATCH;
    p.batch = v->batch;
    p.batch_count = v->batches;
    p.loss = v->s.count ? (float) (v->s.loss / v->s.count) : 0;
    p.accuracy = v->s.count ? (float) v->s.right / (float) v->s.count : 0;
    p.images_per_second = spent > 0 ? v->s.count / spent : 0;
    p.eta_seconds = v->batch ? spent / v->batch * (v->batches - v->batch) : 0;
    v->e->progress(v->e->user, &p);
}

static vkd_result take(void *user, const struct vkd__feed_result *r)
{
    struct evaluation *v = user;
    const float *loss = vkd__feed_mark(v->e->feed, "loss", 0, NULL);
    vkd_result result = VKD_OK;
    v->s.count += r->count;
    v->s.loss += loss && r->count ? (double) loss[0] * r->count : 0;
    add_ranks(v, r);
    if (v->e->multi_label)
        result = vkd__features_add(&v->logits, v->e->feed, "logits", r);
    if (result == VKD_OK && v->e->feature_width)
        result = vkd__features_add(&v->s.features, v->e->feed, "features", r);
    v->batch++;
    report(v);
    return result;
}

static vkd_result measure_labels(struct evaluation *v)
{
    struct vkd_matrix scores = vkd__features_matrix(&v->logits);
    struct vkd_map map;
    int8_t *truth = vkd__features_truth(&v->logits);
    vkd_result r = VKD_NO_MEMORY;
    v->s.per_class = calloc(v->s.classes, sizeof(*v->s.per_class));
    if (truth && v->s.per_class)
        r = vkd_average_precision(&scores, truth, v->e->log, v->s.per_class, &map);
    free(truth);
    if (r < 0)
        return r;
    v->s.map = map.plain;
    v->s.map11 = map.voc11;
    return VKD_OK;
}

vkd_result vkd__evaluate(const struct vkd__eval_run *e, struct vkd__eval_sums *out)
{
    struct evaluation v = {
        .e = e, .s = { .classes = e->classes }, .batches = vkd_loader_batches(e->loader), .start = vkd__os_seconds(),
        .told = vkd__os_seconds(),
    };
    uint64_t images = (uint64_t) v.batches * vkd__feed_batch(e->feed);
    v.s.class_count = calloc(e->classes + 1, sizeof(uint32_t));
    v.s.class_right = calloc(e->classes + 1, sizeof(uint32_t));
    vkd_result r = v.s.class_count && v.s.class_right ? VKD_OK : VKD_NO_MEMORY;
    if (r == VKD_OK && e->feature_width)
        r = vkd__features_begin(&v.s.features, images, e->feature_width, 0);
    if (r == VKD_OK && e->multi_label)
        r = vkd__features_begin(&v.logits, images, e->classes, e->classes);
    if (r == VKD_OK)
        r = vkd__pass_run(&(struct vkd__pass) { e->feed, e->route, e->loader, take, e->stop, &v, e->user, 0 });
    if (r == VKD_OK && e->multi_label)
        r = measure_labels(&v);
    vkd__features_finish(&v.logits);
    if (r < 0)
        vkd__eval_sums_finish(&v.s);
    else
        *out = v.s;
    return r;
}

void vkd__eval_sums_finish(struct vkd__eval_sums *s)
{
    free(s->class_count);
    free(s->class_right);
    free(s->per_class);
    vkd__features_finish(&s->features);
    memset(s, 0, sizeof(*s));
}
