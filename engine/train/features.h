// features.h -- a whole set through a feed: what a network makes of each image, on the host. Internal.
#ifndef VKD_FEATURES_H
#define VKD_FEATURES_H

#include "pass.h"

#include <vkdiv/measure.h>

struct vkd__features_params {
    vkd__feed *feed;                // empty, of one micro-batch a frame
    uint32_t route;
    vkd_loader *loader;             // of that route
    const char *mark;               // f32 (batch, 1, 1, width): "features", "logits"
    uint32_t width;
    bool (*stop)(void *user);       // asked after each batch; NULL: never
    void *user;
};

// One row per image in the loader's order; without padding.
struct vkd__features {
    uint32_t count, width;
    float *rows;                    // (count, width)
    uint32_t *labels, *indices;     // count; VKD_NO_LABEL for an image without a label, or whose label is hidden
    float *targets;                 // (count, classes); NULL unless multi-label
    uint32_t classes;
    uint32_t unreadable;            // images, as the loader counted them
};

// Room for `images` rows; `classes` 0 without targets. To be finished, failed or not.
VKD_CHECKED vkd_result vkd__features_begin(struct vkd__features *f, uint64_t images, uint32_t width, uint32_t classes);
// Appends the images of a result, of which there must be room: the rows of mark `mark`, labels, targets.
//
//   VKD_INVALID  no such mark, or not of this width
VKD_CHECKED vkd_result vkd__features_add(struct vkd__features *f, const vkd__feed *feed, const char *mark,
                                         const struct vkd__feed_result *r);
struct vkd_matrix vkd__features_matrix(const struct vkd__features *f);

// Sends the loader's first epoch through the route. The feed is empty again afterwards, also on failure.
//
//   VKD_INVALID      no such mark, or not of this width
//   VKD_INTERRUPTED  stop() said so
VKD_CHECKED vkd_result vkd__collect_features(const struct vkd__features_params *p, struct vkd__features *out);
// VKD_TRUTH_* of a multi-label set: (count, classes), malloc'd. NULL: no memory.
int8_t *vkd__features_truth(const struct vkd__features *f);
void vkd__features_finish(struct vkd__features *f);

#endif
