// filters.c -- how alike the filters of a layer are: cosines, orthogonality, effective rank.
#include "filters.h"

#include "matrix.h"

#include <math.h>
#include <stdlib.h>

static const char call[] = "filter measure";

// What is read off the cosines.
static void measure_spread(const double *cosines, uint64_t n, struct vkd_filter_measures *f)
{
    const double pairs = (double) n * (double) (n - 1);
    double sum = 0, squares = 0, largest = 0;
    f->mean_cos = f->max_cos = f->orthogonality = NAN;
    if (n < 2)
        return;
    for (uint64_t i = 0; i < n; i++) {
        squares += cosines[i * n + i] == 1 ? 0 : 1;
        for (uint64_t j = i + 1; j < n; j++) {
            double x = fabs(cosines[i * n + j]);
            sum += x;
            squares += 2 * x * x;
            largest = fmax(largest, x);
        }
    }
    f->mean_cos = 2 * sum / pairs;
    f->max_cos = largest;
    f->orthogonality = sqrt(squares / pairs);
}

static vkd_result measure_rank(const struct vkd_matrix *m, const struct vkd_log *log, double *out)
{
    const uint32_t count = m->rows < m->cols ? m->rows : m->cols;
    double *values = vkd__measure_alloc(count, 1, sizeof(*values));
    if (!values)
        return vkd__measure_memory(call, "the singular values", log);
    vkd_result r = vkd_spectrum(m, VKD_SPECTRUM_PLAIN, log, values);
    if (r == VKD_OK)
        *out = vkd_spectrum_effective_rank(values, count);
    free(values);
    return r;
}

static vkd_result cluster(double *cosines, uint32_t n, const struct vkd_log *log, double *heights)
{
    struct vkd__merge *merges = vkd__measure_alloc(n, 1, sizeof(*merges));
    if (!merges)
        return vkd__measure_memory(call, "the merges", log);
    vkd_result r = vkd__cluster_cosines(cosines, n, log, merges);
    for (uint32_t i = 0; r == VKD_OK && i + 1 < n; i++)
        heights[i] = merges[i].height;
    free(merges);
    return r;
}

vkd_result vkd__filters_measure(const struct vkd_matrix *w, vkd_products *products, const struct vkd_log *log,
                                struct vkd_filter_measures *out, double *heights)
{
    struct vkd_filter_measures f;
    double *cosines;
    vkd_result r = vkd__cosines(call, w, products, log, &cosines);
    if (r < 0)
        return r;
    measure_spread(cosines, w->rows, &f);
    if (heights)
        r = cluster(cosines, w->rows, log, heights);
    free(cosines);
    if (r == VKD_OK && out)
        r = measure_rank(w, log, &f.effective_rank);
    if (r == VKD_OK && out)
        *out = f;
    return r;
}

vkd_result vkd_filter_measure(const struct vkd_matrix *w, const struct vkd_log *log, struct vkd_filter_measures *out)
{
    return vkd__filters_measure(w, NULL, log, out, NULL);
}

vkd_result vkd_cluster_heights(const struct vkd_matrix *w, const struct vkd_log *log, double *heights)
{
    return vkd__filters_measure(w, NULL, log, NULL, heights);
}
