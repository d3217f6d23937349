// classifier.h -- how images are prepared for a model, and testing one. Internal to engine/.
#ifndef VKD_CLASSIFIER_H
#define VKD_CLASSIFIER_H

#include "features.h"

#include <vkdiv/model.h>
#include <vkdiv/train.h>
#include <vkdiv/weights.h>

// How images of a set are decoded and brought to `size`: what both sides of a decoded image fit, its
// short side, and the short side that evaluation resizes to.
struct vkd__image_plan { uint32_t canvas, short_side, resize; };
struct vkd__image_plan vkd__image_plan(const struct vkd_dataset_info *info, uint32_t size, uint32_t batch,
                                       uint64_t binding_max);

// The augmentation of evaluation for images of `info`'s model.
struct vkd__augment_params vkd__augment_plain(const struct vkd_weights_info *info, uint32_t resize);

// How many images of a result have their label ranked first, and among the first five.
void vkd__count_right(const vkd__feed *f, const struct vkd__feed_result *r, uint32_t *right, uint32_t *right5);

// Sums of one pass over a test set.
struct vkd__eval_sums {
    uint32_t count, right, right5, classes;
    double loss;                        // sum over images
    uint32_t *class_count, *class_right;    // malloc'd, `classes` entries
    struct vkd__features features;      // when they are kept
    // Several labels an image: mean average precision (vkd_map's plain and voc11), per class.
    double map, map11;
    struct vkd_ap *per_class;           // malloc'd, `classes` entries; NULL with one label each
};

struct vkd__eval_run {
    vkd__feed *feed;
    uint32_t route;
    vkd_loader *loader;
    const struct vkd_log *log;
    uint32_t classes;                   // 0: without labels
    bool multi_label;                   // then "logits" come back instead of "rank"
    uint32_t feature_width;             // of "features", which are kept; 0: they are not
    void (*progress)(void *user, const struct vkd_progress *p);     // EVAL_BATCH events; may be NULL
    bool (*stop)(void *user);                                       // may be NULL
    void *user;
    struct vkd_progress base;           // what progress events start from
};

// Runs the whole set once.
VKD_CHECKED vkd_result vkd__evaluate(const struct vkd__eval_run *e, struct vkd__eval_sums *out);
void vkd__eval_sums_finish(struct vkd__eval_sums *s);

#endif
