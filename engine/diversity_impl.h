// diversity_impl.h -- what diversity of filters and of features share: nulls, and one layer's measures. Internal.
#ifndef VKD_DIVERSITY_IMPL_H
#define VKD_DIVERSITY_IMPL_H

#include <vkdiv/diversity.h>

enum { VKD__DRAWS_MAX = 64 };
#define VKD__NULL_SEEDS 0x6e756c6c00000000u     // of untrained networks: apart from those that people give to runs

// Random filters of a shape.
struct vkd__filter_null {
    uint32_t filters, fan_in;
    double calibrated;
    struct vkd_filter_diversity value;
    struct vkd__filter_null *next;
};

// Untrained networks' features at a layer. Channels are measured at `calibrated`, their own.
struct vkd__feature_null {
    char key[640];              // vkd__feature_null_key's
    struct vkd_feature_values value;
    double calibrated;
    struct vkd_filter_diversity channels;
    struct vkd__feature_null *next;
};

struct vkd_filter_nulls {
    struct vkd_null_params p;
    vkd_products *products;     // NULL: the host's
    struct vkd__filter_null *known;
    struct vkd__feature_null *features;
};

// ---- One layer (diversity.c) ----

// Measures `w` without its dead rows: everything but the clusters, which *heights serve (malloc'd, living rows - 1).
VKD_CHECKED vkd_result vkd__measure_living(const vkd_filter_nulls *n, const struct vkd_matrix *w, uint32_t *dead,
                                           double **heights, struct vkd_filter_diversity *out);
// At each threshold, and last at the calibrated one.
void vkd__count_clusters(const vkd_filter_nulls *n, const double *heights, uint32_t filters, double calibrated,
                         struct vkd_filter_diversity *out);
// to += share * from, in each of `count` doubles.
void vkd__add_values(void *to, const void *from, uint32_t count, double share);

// ---- Features (features_null.c) ----

// What a null of features depends on: the model's make, images, layer, seeds and thresholds.
void vkd__feature_null_key(const vkd_filter_nulls *n, const struct vkd_features *f, char key[640]);
// The null of features like `f`, or NULL.
const struct vkd__feature_null *vkd__feature_null_find(const vkd_filter_nulls *n, const struct vkd_features *f);
// Takes a copy of `null`.
VKD_CHECKED vkd_result vkd__feature_null_add(vkd_filter_nulls *n, const struct vkd__feature_null *null);

// What features have without a null, and the channels' heights (malloc'd) for clusters at any threshold.
VKD_CHECKED vkd_result vkd__features_found(const vkd_filter_nulls *n, const struct vkd_features *f, const struct vkd_log *log,
                                           struct vkd_feature_diversity *out, double **heights);

// Adds the null that so many untrained networks' features, measured and with their channels' heights, make.
VKD_CHECKED vkd_result vkd__feature_null_conclude(vkd_filter_nulls *n, const char *key,
                                                  const struct vkd_feature_diversity *networks, double *const *heights,
                                                  uint32_t count);

#endif
