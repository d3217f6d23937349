// feature_file.h -- features of one layer of a model and split as a file of the cache. Internal to engine/transfer/.
#ifndef VKD_FEATURE_FILE_H
#define VKD_FEATURE_FILE_H

#include "../train/model_features.h"

// What a file must be of.
struct vkd__feature_file {
    const char *path, *text;                        // `text` says in words what all of it depends on
    const struct vkd__features_identity *id;
    uint32_t dim;
};

// Room for features, and all that is known of them beforehand.
VKD_CHECKED vkd_result vkd__features_room(const struct vkd__features_identity *id, uint32_t dim, struct vkd_features *out);

VKD_CHECKED vkd_result vkd__feature_file_write(const struct vkd__feature_file *f, const struct vkd_features *features);

// Trusts nothing in the file. False: it is damaged, or not of what it should be; then *out is untouched.
bool vkd__feature_file_read(const struct vkd__feature_file *f, struct vkd_features *out);

#endif
