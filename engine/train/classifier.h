// classifier.h -- the graph of a supervised classifier, and evaluating one. Internal to engine/.
#ifndef VKD_CLASSIFIER_H
#define VKD_CLASSIFIER_H

#include "feed.h"

#include <vkdiv/model.h>
#include <vkdiv/train.h>
#include <vkdiv/weights.h>

// Images "images" (batch, size, size, channels) and labels "labels" (1, 1, 1, batch) in; "logits",
// "loss" (mean over labelled images) and "rank" out. The model is the one `info` describes.
VKD_CHECKED vkd_result vkd__classifier_graph(const struct vkd_log *log, const struct vkd_weights_info *info, float dropout,
                                             bool zero_init_residual, float label_smoothing, uint32_t batch, vkd_graph **out);

// How images of a set are decoded and brought to `size`: what both sides of a decoded image fit, its
// short side, and the short side that evaluation resizes to.
struct vkd__image_plan { uint32_t canvas, short_side, resize; };
struct vkd__image_plan vkd__image_plan(const struct vkd_dataset_info *info, uint32_t size, uint32_t batch,
                                       uint64_t binding_max);

// The augmentation of evaluation for images of `info`'s model.
struct vkd__augment_params vkd__augment_plain(const struct vkd_weights_info *info, uint32_t resize);

// The route of such a graph's program: `augment` makes its images; "loss" and "rank" come back.
struct vkd__route vkd__classifier_route(vkd_program *program, vkd_loader *loader, const struct vkd__augment_params *augment);

// How many images of a result have their label ranked first, and among the first five.
void vkd__count_right(const vkd__feed *f, const struct vkd__feed_result *r, uint32_t *right, uint32_t *right5);

// Sums of one pass over a test set.
struct vkd__eval_sums {
    uint32_t count, right, right5, classes;
    double loss;                        // sum over images
    uint32_t *class_count, *class_right;    // malloc'd, `classes` entries
};

struct vkd__eval_run {
    vkd__feed *feed;
    vkd_loader *loader;
    uint32_t classes;
    void (*progress)(void *user, const struct vkd_progress *p);     // EVAL_BATCH events; may be NULL
    bool (*stop)(void *user);                                       // may be NULL
    void *user;
    struct vkd_progress base;           // what progress events start from
};

// Runs the whole set once.
VKD_CHECKED vkd_result vkd__evaluate(const struct vkd__eval_run *e, struct vkd__eval_sums *out);
void vkd__eval_sums_finish(struct vkd__eval_sums *s);

#endif
