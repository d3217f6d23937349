// filters.h -- all measures of a layer's filters at once, for the cosines serve several. Internal.
#ifndef VKD_MEASURE_FILTERS_H
#define VKD_MEASURE_FILTERS_H

#include <vkdiv/measure.h>

// vkd_filter_measure and vkd_cluster_heights; `out` or `heights` may be NULL.
VKD_CHECKED vkd_result vkd__filters_measure(const struct vkd_matrix *w, vkd_products *products, const struct vkd_log *log,
                                            struct vkd_filter_measures *out, double *heights);

// The heights by the filters' cosines (n, n), which are used up.
VKD_CHECKED vkd_result vkd__cluster_cosines(double *cosines, uint32_t n, const struct vkd_log *log, double *heights);

#endif
