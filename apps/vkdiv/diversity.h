// diversity.h -- how the diversity command shows what was measured.
#ifndef VKD_APP_DIVERSITY_H
#define VKD_APP_DIVERSITY_H

#include "apps/vkdiv/app.h"

#include <vkdiv/features.h>

// What was measured of a model, as tables; `path` as the user gave it.
void diversity_print(const char *path, const struct vkd_diversity *d);
void diversity_print_features(const struct vkd_features *f, const struct vkd_feature_diversity *d, const char *data,
                              const char *split);
void diversity_print_feature_layers(const struct vkd_feature_diversity *layers, uint32_t count,
                                    const struct vkd_features_aggregate *a, const char *data, const char *split);

// What is shown of a model beside others.
struct diversity_summary {
    const char *path;
    struct vkd_kind_diversity kinds[VKD_LAYER_KIND_COUNT];
    uint32_t threshold_count;
    bool has_features;
    struct vkd_feature_diversity features;      // of the last layer that was asked for
};
void diversity_print_summary(const struct diversity_summary *models, uint32_t count);

// Linear CKA of all pairs of models: values (count, count); of all pairs of a model's layers.
void diversity_print_cka(const char *const *paths, const double *values, uint32_t count);
void diversity_print_layers_cka(const struct vkd_layers_cka *c);

#endif
