// model_features.h -- what features of a model depend on. Internal to engine/.
#ifndef VKD_MODEL_FEATURES_H
#define VKD_MODEL_FEATURES_H

#include <vkdiv/diversity.h>

// Everything but the layer that features of vkd_features_params depend on.
struct vkd__features_identity {
    uint64_t weights;               // vkd_weights_hash
    uint64_t data, fingerprint;     // of the split: vkd_dataset_content; its fingerprint
    uint32_t images;                // of the split
    uint32_t rows, classes;
    uint32_t dims[VKD_LAYERS_MAX];  // of each layer that was asked for
    bool multi_label, told;
    struct vkd_weights_info model;
    char split[16];
    char preparation[384];          // the model's make, and how images are brought to its size
};

// Fails where vkd_features_extract fails before it needs the device; `dev` says how large a binding may be. `data`:
// the set's content, when it is known already; NULL: the files are read for it.
VKD_CHECKED vkd_result vkd__features_identify(vkd_device *dev, const struct vkd_features_params *p, const uint64_t *data,
                                              struct vkd__features_identity *out);

// What vkd_features_extract would make, without the arrays: one for each layer. Fails like vkd_features_check.
VKD_CHECKED vkd_result vkd__features_describe(vkd_device *dev, const struct vkd_features_params *p, struct vkd_features *out);

// For a struct vkd_log whose user is another: passes errors on, and nothing else.
void vkd__log_errors(void *user, enum vkd_log_level level, const char *text);

// p->layers[i], "features" where there are none.
const char *vkd__features_layer(const struct vkd_features_params *p, uint32_t i);

#endif
