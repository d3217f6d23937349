// model_features.h -- what features of a model depend on. Internal to engine/.
#ifndef VKD_MODEL_FEATURES_H
#define VKD_MODEL_FEATURES_H

#include <vkdiv/diversity.h>

// Everything but the layer that features of vkd_features_params depend on.
struct vkd__features_identity {
    uint64_t weights, data;         // vkd_weights_hash; fingerprint of the split
    uint32_t rows, classes;
    bool multi_label, told;
    struct vkd_weights_info model;
    char split[16];
    char preparation[320];          // how images are brought to the model's size
};

// Fails where vkd_features_extract fails before it needs the device; `dev` says how large a binding may be.
VKD_CHECKED vkd_result vkd__features_identify(vkd_device *dev, const struct vkd_features_params *p,
                                              struct vkd__features_identity *out);

// p->layers[i], "features" where there are none.
const char *vkd__features_layer(const struct vkd_features_params *p, uint32_t i);

#endif
