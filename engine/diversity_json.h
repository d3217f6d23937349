// diversity_json.h -- measured diversity as JSON: what `vkdiv diversity --json` prints and a run's diversity.json
// holds. Internal.
#ifndef VKD_DIVERSITY_JSON_H
#define VKD_DIVERSITY_JSON_H

#include <vkdiv/features.h>

#include <jansson.h>

// Everything measured of a model; `path` as the user gave it.
json_t *vkd__diversity_json(const char *path, const struct vkd_diversity *d);

// What its key "features" holds, and of other layers the list "feature_layers".
json_t *vkd__features_json(const struct vkd_features *f, const struct vkd_feature_diversity *d, const char *data,
                           const char *split);
// "feature_aggregate".
json_t *vkd__features_aggregate_json(const struct vkd_features_aggregate *a);

// Linear CKA of all pairs of models: values (count, count); of all pairs of a model's layers.
json_t *vkd__cka_json(const double *values, uint32_t count);
json_t *vkd__layers_cka_json(const struct vkd_layers_cka *c);

// ---- A run's diversity.json (diversity_file.c) ----

// What the folder has of the weights with this hash (""; of any); NULL: nothing.
json_t *vkd__diversity_load(const char *dir, const char *hash, const struct vkd_log *log);
// Measures the filters of the run p->path: the document, without features.
VKD_CHECKED vkd_result vkd__diversity_make(vkd_filter_nulls *nulls, const struct vkd_diversity_params *p, const char *hash,
                                           json_t **out);
VKD_CHECKED vkd_result vkd__diversity_save(const char *dir, const json_t *doc, const struct vkd_log *log);


// ---- A run's diversity-null.json: nulls of features, made once for an architecture and images (null_file.c) ----

// Takes in what the folder has; what is damaged is made again, with a warning.
VKD_CHECKED vkd_result vkd__feature_nulls_load(vkd_filter_nulls *nulls, const char *dir, const struct vkd_log *log);
// Adds the nulls of these features to the folder's file. One that cannot be written is no failure: it is said at `level`.
VKD_CHECKED vkd_result vkd__feature_nulls_save(const vkd_filter_nulls *nulls, const struct vkd_features *f, uint32_t count,
                                               const char *dir, const struct vkd_log *log, enum vkd_log_level level);

#endif
