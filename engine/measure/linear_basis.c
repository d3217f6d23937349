// linear_basis.c -- principal directions of features, and features along them.
#include "linear_fit.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const char call[] = "linear";

// Means of all rows of the sets.
static uint64_t all_means(struct vkd__basis *b, const struct vkd_matrix *sets, uint32_t set_count)
{
    uint64_t n = 0;
    for (uint32_t s = 0; s < set_count; s++) {
        for (uint32_t i = 0; i < sets[s].rows; i++) {
            const float *row = vkd__row(&sets[s], i);
            for (uint32_t c = 0; c < b->d; c++)
                b->mean[c] += row[c];
        }
        n += sets[s].rows;
    }
    for (uint32_t c = 0; c < b->d; c++)
        b->mean[c] /= (double) n;
    return n;
}

// The lower triangle (as columns) of the covariance of scaled columns.
static vkd_result covariance(struct vkd__basis *b, const struct vkd_matrix *sets, uint32_t set_count,
                             const double *scale, const struct vkd_log *log, double *out)
{
    const uint32_t d = b->d;
    const uint64_t n = all_means(b, sets, set_count);
    double add = 0;
    for (uint32_t s = 0; s < set_count; s++) {
        const uint32_t panel = vkd__block_rows(sets[s].rows, d);
        double *block = vkd__measure_alloc(panel, d, sizeof(*block));
        if (!block)
            return vkd__measure_memory(call, "a block of features", log);
        for (uint32_t first = 0; first < sets[s].rows; first += panel, add = 1) {
            const uint32_t count = sets[s].rows - first < panel ? sets[s].rows - first : panel;
            vkd__shifted_rows(&sets[s], b->mean, first, count, block);
            for (uint64_t i = 0; i < count; i++)
                for (uint32_t c = 0; c < d; c++)
                    block[i * d + c] /= scale[c];
            cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, (int) d, (int) count, 1.0 / (double) n, block, (int) d,
                        add, out, (int) d);
        }
        free(block);
    }
    return VKD_OK;
}

// Eigenvalues (d), ascending, and vectors (row j the vector of value j) of the symmetric `a`, in its place.
static vkd_result eigen(double *a, uint32_t size, double *values, const struct vkd_log *log)
{
    const int d = (int) size;
    int info = 0, int_size = 0, work_size = -1, query = -1;
    double best = 0;
    dsyevd_("V", "L", &d, a, &d, values, &best, &work_size, &int_size, &query, &info, 1, 1);
    if (info || best > INT32_MAX)
        return vkd__measure_memory(call, "the eigenvectors' work", log);
    work_size = (int) best;
    double *work = vkd__measure_alloc((uint64_t) work_size, 1, sizeof(*work));
    int *int_work = vkd__measure_alloc((uint64_t) int_size, 1, sizeof(*int_work));
    vkd_result r = work && int_work ? VKD_OK : vkd__measure_memory(call, "the eigenvectors' work", log);
    if (r == VKD_OK)
        dsyevd_("V", "L", &d, a, &d, values, work, &work_size, int_work, &int_size, &info, 1, 1);
    if (r == VKD_OK && info) {
        vkd_log_write(log, VKD_LOG_ERROR, "linear: the eigenvalues of the features' covariance did not converge; look "
                      "for features of very different sizes, or standardise them");
        r = VKD_DIVERGED;
    }
    free(int_work);
    free(work);
    return r;
}

vkd_result vkd__basis_init(struct vkd__basis *b, const struct vkd_matrix *sets, uint32_t set_count,
                           const double *scale, const struct vkd_log *log)
{
    const uint32_t d = sets[0].cols;
    *b = (struct vkd__basis) { .d = d };
    b->mean = vkd__measure_alloc(d, 1, sizeof(double));
    b->variance = vkd__measure_alloc(d, 1, sizeof(double));
    b->to = vkd__measure_alloc(d, d, sizeof(double));
    double *vectors = vkd__measure_alloc(d, d, sizeof(double)), *values = vkd__measure_alloc(d, 1, sizeof(double));
    vkd_result r = VKD_OK;
    if (!b->mean || !b->variance || !b->to || !vectors || !values)
        r = vkd__measure_memory(call, "the features' covariance", log);
    if (r == VKD_OK)
        r = covariance(b, sets, set_count, scale, log, vectors);
    if (r == VKD_OK)
        r = eigen(vectors, d, values, log);
    // Below this a value is rounding. Leaving out costs nothing else: without variance, no loss depends on u_j.
    for (uint32_t j = d; r == VKD_OK && j-- > 0 && values[j] > 1e-14 * values[d - 1] && values[j] > DBL_MIN; b->r++)
        b->variance[b->r] = values[j];
    for (uint64_t c = 0; r == VKD_OK && c < d; c++)
        for (uint64_t j = 0; j < b->r; j++)
            b->to[c * b->r + j] = vectors[(d - 1 - j) * d + c] / (scale[c] * sqrt(b->variance[j]));
    free(values);
    free(vectors);
    return r;
}

void vkd__basis_finish(struct vkd__basis *b)
{
    free(b->to);
    free(b->variance);
    free(b->mean);
    *b = (struct vkd__basis) { 0 };
}

vkd_result vkd__basis_apply(const struct vkd__basis *b, const struct vkd_matrix *x, const uint32_t *rows,
                            uint32_t count, const struct vkd_log *log, float *z)
{
    const uint32_t panel = vkd__block_rows(count, b->d);
    if (!count || !b->r)
        return VKD_OK;
    double *from = vkd__measure_alloc(panel, b->d, sizeof(*from)), *to = vkd__measure_alloc(panel, b->r, sizeof(*to));
    vkd_result r = from && to ? VKD_OK : vkd__measure_memory(call, "a block of features", log);
    for (uint32_t first = 0; r == VKD_OK && first < count; first += panel) {
        const uint32_t now = count - first < panel ? count - first : panel;
        for (uint32_t i = 0; i < now; i++)
            vkd__shifted_rows(x, b->mean, rows[first + i], 1, from + (uint64_t) i * b->d);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int) now, (int) b->r, (int) b->d, 1, from, (int) b->d,
                    b->to, (int) b->r, 0, to, (int) b->r);
        for (uint64_t i = 0; i < (uint64_t) now * b->r; i++)
            z[(uint64_t) first * b->r + i] = (float) to[i];
    }
    free(to);
    free(from);
    return r;
}
