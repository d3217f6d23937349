// filters.c -- how alike the filters of a layer are: cosines, orthogonality, effective rank.
#include "matrix.h"

#include <math.h>
#include <stdlib.h>

vkd_result vkd_filter_measure(const struct vkd_matrix *w, const struct vkd_log *log, struct vkd_filter_measures *out)
{
    struct vkd_filter_measures f = { NAN, NAN, NAN, NAN };
    struct vkd_matrix m = *w;
    double *cosines = NULL, *values = NULL, sum = 0, squares = 0, largest = 0;
    vkd_result r = vkd__matrix_check("filter measure", "W", &m, log);
    if (r == VKD_OK)
        r = vkd__cosines("filter measure", &m, log, &cosines);
    if (r < 0)
        return r;
    const uint64_t n = m.rows;
    for (uint64_t i = 0; i < n; i++) {
        squares += cosines[i * n + i] == 1 ? 0 : 1;
        for (uint64_t j = i + 1; j < n; j++) {
            double x = fabs(cosines[i * n + j]);
            sum += x;
            squares += 2 * x * x;
            largest = fmax(largest, x);
        }
    }
    free(cosines);
    if (n > 1) {
        const double pairs = (double) n * (double) (n - 1);
        f.mean_cos = 2 * sum / pairs;
        f.max_cos = largest;
        f.orthogonality = sqrt(squares / pairs);
    }
    const uint32_t count = m.rows < m.cols ? m.rows : m.cols;
    if (!(values = vkd__measure_alloc(count, 1, sizeof(*values))))
        return vkd__measure_memory("filter measure", "the singular values", log);
    r = vkd_spectrum(&m, VKD_SPECTRUM_PLAIN, log, values);
    if (r == VKD_OK) {
        f.effective_rank = vkd_spectrum_effective_rank(values, count);
        *out = f;
    }
    free(values);
    return r;
}
