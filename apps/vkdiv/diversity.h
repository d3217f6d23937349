// diversity.h -- how the diversity command shows what was measured.
#ifndef VKD_APP_DIVERSITY_H
#define VKD_APP_DIVERSITY_H

#include "apps/vkdiv/app.h"

#include <vkdiv/diversity.h>

// Everything measured of a model; `path` as the user gave it.
json_t *diversity_json(const char *path, const struct vkd_diversity *d);

json_t *diversity_features_json(const struct vkd_features *f, const struct vkd_feature_diversity *d, const char *data,
                                const char *split);

// The same as tables.
void diversity_print(const char *path, const struct vkd_diversity *d);
void diversity_print_features(const struct vkd_features *f, const struct vkd_feature_diversity *d, const char *data,
                              const char *split);

// Linear CKA of all pairs: values (count, count).
json_t *diversity_cka_json(const double *values, uint32_t count);
void diversity_print_cka(const char *const *paths, const double *values, uint32_t count);

#endif
