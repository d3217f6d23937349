// features.c -- spread of features: the collapse monitor and the separation of classes.
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

// Lengths are 1, so that the mean cosine distance within a class is the mean of |x - m_k|^2, m_k the mean
// of the class, and that of all pairs is it plus the mean of |m_k - m|^2, m the mean of the m_k. No
// difference of nearly equal numbers remains.
struct classes {
    uint32_t count, cols;
    uint32_t *rows;         // count
    double *means;          // (count, cols)
    double *spread;         // count: sum of |x - m_k|^2
};

static void take_in(struct classes *k, uint32_t label, const float *row, double scale)
{
    double *mean = k->means + (uint64_t) label * k->cols, n = ++k->rows[label];
    for (uint32_t c = 0; c < k->cols; c++) {
        double x = row[c] * scale, d = x - mean[c];
        mean[c] += d / n;
        k->spread[label] += d * (x - mean[c]);
    }
}

static double separation(const struct classes *k)
{
    double present = 0, within = 0, between = 0;
    for (uint32_t a = 0; a < k->count; a++) {
        present += k->rows[a] > 0;
        within += k->rows[a] ? k->spread[a] / k->rows[a] : 0;
    }
    for (uint32_t c = 0; c < k->cols; c++) {
        double n = 0, mean = 0, squares = 0;
        for (uint32_t a = 0; a < k->count; a++) {
            if (!k->rows[a])
                continue;
            double x = k->means[(uint64_t) a * k->cols + c], d = x - mean;
            mean += d / ++n;
            squares += d * (x - mean);
        }
        between += squares;
    }
    return present > 0 && within + between > 0 ? between / (within + between) : NAN;
}

vkd_result vkd_class_separation(const struct vkd_matrix *z, const uint32_t *labels, uint32_t classes,
                                const struct vkd_log *log, double *out)
{
    static const char call[] = "class separation";
    struct vkd_matrix m = *z;
    vkd_result r = vkd__matrix_check(call, "Z", &m, log);
    if (r < 0)
        return r;
    struct classes k = {
        .count = classes, .cols = m.cols,
        .rows = vkd__measure_alloc(classes, 1, sizeof(*k.rows)),
        .means = vkd__measure_alloc(classes, m.cols, sizeof(*k.means)),
        .spread = vkd__measure_alloc(classes, 1, sizeof(*k.spread)),
    };
    if (!k.rows || !k.means || !k.spread) {
        r = vkd__measure_memory(call, "the classes' means", log);
        goto done;
    }
    for (uint32_t i = 0; i < m.rows; i++) {
        double scale = vkd__row_scale(vkd__row(&m, i), m.cols);
        if (labels[i] != VKD_NO_LABEL && labels[i] >= classes) {
            vkd_log_write(log, VKD_LOG_ERROR, "%s: labels must be below %u classes, row %u has %u", call, classes, i,
                          labels[i]);
            r = VKD_INVALID;
            goto done;
        }
        if (labels[i] != VKD_NO_LABEL && scale > 0)
            take_in(&k, labels[i], vkd__row(&m, i), scale);
    }
    *out = separation(&k);
done:
    free(k.spread);
    free(k.means);
    free(k.rows);
    return r;
}
