// predict.h -- what a classifier says of every image of a set. Internal to engine/.
#ifndef VKD_PREDICT_H
#define VKD_PREDICT_H

#include "classifier.h"

struct vkd__predict_params {
    vkd_device *dev;
    const char *weights;            // a file of vkdiv, with a classifier of the set's classes
    const vkd_dataset *set;
    uint32_t batch;                 // images at a time
    bool (*stop)(void *user);       // asked after each batch; NULL: never
    void *user;
};

// Logits (images, classes), labels and targets, in the set's order. An unreadable image, of which one in a hundred is
// tolerated, has no label and no known target.
//
//   VKD_INVALID      the model's classes or channels are not those of the set (the log has both)
//   VKD_IO, VKD_FORMAT, VKD_NO_MEMORY, VKD_DEVICE_LOST
//   VKD_INTERRUPTED  stop() said so
VKD_CHECKED vkd_result vkd__predict(const struct vkd__predict_params *p, struct vkd__features *out);

#endif
