// features.c -- measures of features that need no singular values.
#include "matrix.h"

#include <math.h>
#include <stdlib.h>

vkd_result vkd_feature_std(const struct vkd_matrix *z, const struct vkd_log *log, double *out)
{
    struct vkd_matrix m = *z;
    vkd_result r = vkd__matrix_check("feature std", "Z", &m, log);
    if (r < 0)
        return r;
    double *mean = vkd__measure_alloc(m.cols, 2, sizeof(*mean));
    if (!mean)
        return vkd__measure_memory("feature std", "the columns' sums", log);
    double *squares = mean + m.cols;
    for (uint32_t i = 0; i < m.rows; i++) {     // Welford's updates: no cancellation where features are nearly equal
        const float *row = vkd__row(&m, i);
        double scale = vkd__row_scale(row, m.cols);
        for (uint32_t c = 0; c < m.cols; c++) {
            double x = row[c] * scale, d = x - mean[c];
            mean[c] += d / (i + 1);
            squares[c] += d * (x - mean[c]);
        }
    }
    double sum = 0;
    for (uint32_t c = 0; c < m.cols; c++)
        sum += sqrt(squares[c] / (m.rows - 1.0));
    *out = m.rows > 1 ? sum / m.cols : NAN;
    free(mean);
    return VKD_OK;
}
