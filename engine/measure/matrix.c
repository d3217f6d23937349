// matrix.c -- checks and conversions that the measures share.
#include "matrix.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

vkd_result vkd__matrix_check(const char *call, const char *name, struct vkd_matrix *m, const struct vkd_log *log)
{
    if (!m->stride)
        m->stride = m->cols;
    if (!m->data || !m->rows || !m->cols || m->rows > INT_MAX || m->cols > INT_MAX || m->stride < m->cols) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s: %s must be a matrix of at least 1 x 1 with a stride of its columns or "
                      "more, found %u x %u, stride %u%s", call, name, m->rows, m->cols, m->stride,
                      m->data ? "" : ", no data");
        return VKD_INVALID;
    }
    for (uint32_t i = 0; i < m->rows; i++) {
        const float *row = vkd__row(m, i);
        float sum = 0;      // of x - x: not zero as soon as one is not finite
        for (uint32_t c = 0; c < m->cols; c++)
            sum += row[c] - row[c];
        for (uint32_t c = 0; sum != 0 && c < m->cols; c++) {
            if (!isfinite(row[c])) {
                vkd_log_write(log, VKD_LOG_ERROR, "%s: %s must be finite, row %u column %u is %g; look for what "
                              "diverged", call, name, i, c, row[c]);
                return VKD_INVALID;
            }
        }
    }
    return VKD_OK;
}

vkd_result vkd__measure_memory(const char *call, const char *what, const struct vkd_log *log)
{
    vkd_log_write(log, VKD_LOG_ERROR, "%s: no memory for %s; measure fewer rows or columns", call, what);
    return VKD_NO_MEMORY;
}

void *vkd__measure_alloc(uint64_t count, uint64_t each, uint64_t size)
{
    if (count > PTRDIFF_MAX / size || (count && each > PTRDIFF_MAX / size / count))
        return NULL;
    return calloc(count * each + 1, size);
}

uint32_t vkd__block_rows(uint32_t rows, uint64_t cols)
{
    uint64_t n = VKD__BLOCK_ELEMENTS / (cols ? cols : 1);
    return n < 1 ? 1 : n < rows ? (uint32_t) n : rows;
}

double vkd__row_scale(const float *row, uint32_t cols)
{
    double squares = 0;     // of floats: neither overflow nor underflow
    for (uint32_t c = 0; c < cols; c++)
        squares += (double) row[c] * row[c];
    return squares > 0 ? 1 / sqrt(squares) : 0;
}

void vkd__unit_rows_f32(const struct vkd_matrix *m, const uint32_t *rows, uint32_t first, uint32_t count, float *out)
{
    for (uint32_t i = 0; i < count; i++, out += m->cols) {
        const float *row = vkd__row(m, rows ? rows[first + i] : first + i);
        double scale = vkd__row_scale(row, m->cols);
        for (uint32_t c = 0; c < m->cols; c++)
            out[c] = (float) (row[c] * scale);
    }
}

void vkd__column_means(const struct vkd_matrix *m, double *means)
{
    memset(means, 0, m->cols * sizeof(*means));
    for (uint32_t i = 0; i < m->rows; i++) {
        const float *row = vkd__row(m, i);
        for (uint32_t c = 0; c < m->cols; c++)
            means[c] += row[c];
    }
    for (uint32_t c = 0; c < m->cols; c++)
        means[c] /= m->rows;
}

void vkd__shifted_rows(const struct vkd_matrix *m, const double *shift, uint32_t first, uint32_t count, double *out)
{
    for (uint32_t i = 0; i < count; i++, out += m->cols) {
        const float *row = vkd__row(m, first + i);
        for (uint32_t c = 0; c < m->cols; c++)
            out[c] = row[c] - shift[c];
    }
}

void vkd__fill_scaled(const void *user, uint32_t row, uint32_t begin, uint32_t width, double *out)
{
    const struct vkd__scaled *s = user;
    const float *from = vkd__row(s->m, row) + begin;
    const double factor = s->scale ? s->scale[row] : 1;
    for (uint32_t c = 0; c < width; c++)
        out[c] = factor * (from[c] - (s->shift ? s->shift[begin + c] : 0));
}

vkd_result vkd__gram(const char *call, vkd__fill fill, const void *user, uint32_t rows, uint32_t cols,
                     vkd_products *products, const struct vkd_log *log, double *out)
{
    if (products)
        return products->gram(products, fill, user, rows, cols, out);
    const uint32_t panel = vkd__block_rows(cols, rows);
    double *block = vkd__measure_alloc(rows, panel, sizeof(*block));
    if (!block)
        return vkd__measure_memory(call, "a block of columns", log);
    for (uint32_t first = 0; first < cols; first += panel) {
        const uint32_t count = cols - first < panel ? cols - first : panel;
        for (uint32_t i = 0; i < rows; i++)
            fill(user, i, first, count, block + (uint64_t) i * count);
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasNoTrans, (int) rows, (int) count, 1, block, (int) count,
                    first ? 1 : 0, out, (int) rows);
    }
    free(block);
    return VKD_OK;
}

vkd_result vkd__cosines(const char *call, const struct vkd_matrix *w, vkd_products *products, const struct vkd_log *log,
                        double **out)
{
    const uint64_t n = w->rows;
    struct vkd_matrix m = *w;
    double *cosines = NULL, *scale = NULL;
    vkd_result r = vkd__matrix_check(call, "W", &m, log);
    if (r < 0)
        return r;
    cosines = vkd__measure_alloc(n, n, sizeof(*cosines));
    scale = vkd__measure_alloc(n, 1, sizeof(*scale));
    r = cosines && scale ? VKD_OK : vkd__measure_memory(call, "the cosines of all pairs", log);
    for (uint32_t i = 0; r == VKD_OK && i < n; i++)
        scale[i] = vkd__row_scale(vkd__row(&m, i), m.cols);
    if (r == VKD_OK)
        r = vkd__gram(call, vkd__fill_scaled, &(struct vkd__scaled) { &m, scale, NULL }, m.rows, m.cols, products, log,
                      cosines);
    if (r < 0) {
        free(scale);
        free(cosines);
        return r;
    }
    for (uint64_t i = 0; i < n; i++) {
        cosines[i * n + i] = scale[i] > 0;
        for (uint64_t j = i + 1; j < n; j++)
            cosines[i * n + j] = cosines[j * n + i] = fmin(1, fmax(-1, cosines[i * n + j]));
    }
    free(scale);
    *out = cosines;
    return VKD_OK;
}
