// cka.c -- linear CKA: how alike two sets of features of the same images are.
#include "matrix.h"

#include <math.h>
#include <stdlib.h>

static const char call[] = "cka";

struct pair {
    struct vkd_matrix x, y;
    double *x_mean, *y_mean;
};

static vkd_result pair_init(struct pair *p, uint32_t rows_min, const struct vkd_log *log)
{
    vkd_result r = vkd__matrix_check(call, "X", &p->x, log);
    if (r == VKD_OK)
        r = vkd__matrix_check(call, "Y", &p->y, log);
    if (r < 0)
        return r;
    if (p->x.rows != p->y.rows || p->x.rows < rows_min) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s: X and Y must have the same rows, %u or more; found %u and %u", call,
                      rows_min, p->x.rows, p->y.rows);
        return VKD_INVALID;
    }
    p->x_mean = vkd__measure_alloc(p->x.cols, 1, sizeof(double));
    p->y_mean = vkd__measure_alloc(p->y.cols, 1, sizeof(double));
    if (!p->x_mean || !p->y_mean)
        return vkd__measure_memory(call, "the columns' means", log);
    vkd__column_means(&p->x, p->x_mean);
    vkd__column_means(&p->y, p->y_mean);
    return VKD_OK;
}

static void pair_finish(struct pair *p)
{
    free(p->y_mean);
    free(p->x_mean);
}

// The sum of products of two symmetric matrices (n, n), of which the upper triangles are stored, `stride` numbers a row.
static double symmetric_dot(const double *a, const double *b, uint64_t n, uint64_t stride, bool diagonal)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        double row = 0;
        for (uint64_t j = i + 1; j < n; j++)
            row += a[i * stride + j] * b[i * stride + j];
        sum += 2 * row + (diagonal ? a[i * stride + i] * b[i * stride + i] : 0);
    }
    return sum;
}

double vkd_cka_value(const struct vkd_cka_sums *s)
{
    return s->xx > 0 && s->yy > 0 ? s->xy / (sqrt(s->xx) * sqrt(s->yy)) : NAN;
}

// ---- The Gram matrices' way: |Y^T X|_F^2 is the sum of the products of X X^T and Y Y^T ----

static vkd_result grams(const struct pair *p, vkd_products *products, const struct vkd_log *log, double **k, double **l)
{
    const uint64_t n = p->x.rows;
    double *a = vkd__measure_alloc(n, n, sizeof(*a)), *b = vkd__measure_alloc(n, n, sizeof(*b));
    vkd_result r = a && b ? VKD_OK : vkd__measure_memory(call, "the Gram matrices", log);
    if (r == VKD_OK)
        r = vkd__gram(call, vkd__fill_scaled, &(struct vkd__scaled) { &p->x, NULL, p->x_mean }, p->x.rows, p->x.cols,
                      products, log, a);
    if (r == VKD_OK)
        r = vkd__gram(call, vkd__fill_scaled, &(struct vkd__scaled) { &p->y, NULL, p->y_mean }, p->y.rows, p->y.cols,
                      products, log, b);
    if (r < 0) {
        free(a);
        free(b);
        return r;
    }
    *k = a;
    *l = b;
    return VKD_OK;
}

static vkd_result by_rows(const struct pair *p, vkd_products *products, const struct vkd_log *log,
                          struct vkd_cka_sums *out)
{
    const uint64_t n = p->x.rows;
    double *k, *l;
    vkd_result r = grams(p, products, log, &k, &l);
    if (r < 0)
        return r;
    out->xy = symmetric_dot(k, l, n, n, true);
    out->xx = symmetric_dot(k, k, n, n, true);
    out->yy = symmetric_dot(l, l, n, n, true);
    free(l);
    free(k);
    return VKD_OK;
}

// ---- The columns' way: X^T X, Y^T Y and X^T Y, which are the blocks of the Gram matrix of all columns ----

static void fill_columns(const void *user, uint32_t column, uint32_t begin, uint32_t width, double *out)
{
    const struct pair *p = user;
    const bool of_x = column < p->x.cols;
    const struct vkd_matrix *m = of_x ? &p->x : &p->y;
    column -= of_x ? 0 : p->x.cols;
    const double mean = (of_x ? p->x_mean : p->y_mean)[column];
    for (uint32_t i = 0; i < width; i++)
        out[i] = vkd__row(m, begin + i)[column] - mean;
}

static vkd_result by_columns(const struct pair *p, vkd_products *products, const struct vkd_log *log,
                             struct vkd_cka_sums *out)
{
    const uint64_t x_cols = p->x.cols, y_cols = p->y.cols, cols = x_cols + y_cols;
    double *k = vkd__measure_alloc(cols, cols, sizeof(*k));
    vkd_result r = k ? VKD_OK : vkd__measure_memory(call, "the products of the columns", log);
    if (r == VKD_OK)
        r = vkd__gram(call, fill_columns, p, (uint32_t) cols, p->x.rows, products, log, k);
    if (r == VKD_OK) {
        const double *yy = k + x_cols * cols + x_cols;
        *out = (struct vkd_cka_sums) {
            0, symmetric_dot(k, k, x_cols, cols, true), symmetric_dot(yy, yy, y_cols, cols, true)
        };
        for (uint64_t i = 0; i < x_cols; i++)
            for (uint64_t j = x_cols; j < cols; j++)
                out->xy += k[i * cols + j] * k[i * cols + j];
    }
    free(k);
    return r;
}

vkd_result vkd_cka(const struct vkd_matrix *x, const struct vkd_matrix *y, vkd_products *products,
                   const struct vkd_log *log, double *out)
{
    struct pair p = { *x, *y, NULL, NULL };
    struct vkd_cka_sums sums;
    vkd_result r = pair_init(&p, 1, log);
    if (r == VKD_OK)
        r = p.x.rows <= p.x.cols + p.y.cols ? by_rows(&p, products, log, &sums) : by_columns(&p, products, log, &sums);
    if (r == VKD_OK)
        *out = vkd_cka_value(&sums);
    pair_finish(&p);
    return r;
}

// ---- Minibatches ----

// U-centring of the entries off the diagonal (Szekely and Rizzo 2014):
// k_ij - r_i / (n - 2) - r_j / (n - 2) + s / ((n - 1)(n - 2)), r_i the sum of row i, s of all. HSIC_1 is the
// mean product of two such matrices, over n (n - 3). Nothing that is added to all rows of X matters.
static void u_centre(double *k, uint64_t n, double *sums)
{
    double all = 0;
    for (uint64_t i = 0; i < n; i++)
        sums[i] = 0;
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t j = i + 1; j < n; j++) {
            sums[i] += k[i * n + j];
            sums[j] += k[i * n + j];
        }
    }
    for (uint64_t i = 0; i < n; i++)
        all += sums[i];
    const double rest = (double) n - 2, share = all / (rest * (rest + 1));
    for (uint64_t i = 0; i < n; i++)
        for (uint64_t j = i + 1; j < n; j++)
            k[i * n + j] += share - (sums[i] + sums[j]) / rest;
}

vkd_result vkd_cka_add(struct vkd_cka_sums *sums, const struct vkd_matrix *x, const struct vkd_matrix *y,
                       vkd_products *products, const struct vkd_log *log)
{
    struct pair p = { *x, *y, NULL, NULL };
    double *k = NULL, *l = NULL, *row_sums = NULL;
    vkd_result r = pair_init(&p, 4, log);
    if (r == VKD_OK && !(row_sums = vkd__measure_alloc(x->rows, 1, sizeof(*row_sums))))
        r = vkd__measure_memory(call, "the rows' sums", log);
    if (r == VKD_OK)
        r = grams(&p, products, log, &k, &l);
    if (r == VKD_OK) {
        const uint64_t n = p.x.rows;
        const double pairs = (double) n * (double) (n - 3);
        u_centre(k, n, row_sums);
        u_centre(l, n, row_sums);
        sums->xy += symmetric_dot(k, l, n, n, false) / pairs;
        sums->xx += symmetric_dot(k, k, n, n, false) / pairs;
        sums->yy += symmetric_dot(l, l, n, n, false) / pairs;
    }
    free(l);
    free(k);
    free(row_sums);
    pair_finish(&p);
    return r;
}
