// filters.h -- all measures of a layer's filters at once, for the cosines serve several. Internal.
#ifndef VKD_MEASURE_FILTERS_H
#define VKD_MEASURE_FILTERS_H

#include <vkdiv/measure.h>

struct vkd__merge {
    double height;
    uint32_t a, b;              // a filter of each of the two clusters
};

// The merges by the filters' cosines (n, n), which are used up: n - 1, by ascending height.
VKD_CHECKED vkd_result vkd__cluster_cosines(double *cosines, uint32_t n, const struct vkd_log *log, struct vkd__merge *merges);

// vkd_filter_measure and vkd_cluster_heights; `out` or `heights` may be NULL.
VKD_CHECKED vkd_result vkd__filters_measure(const struct vkd_matrix *w, vkd_products *products, const struct vkd_log *log,
                                            struct vkd_filter_measures *out, double *heights);

#endif
