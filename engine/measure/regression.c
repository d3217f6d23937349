// regression.c -- least squares, R2 of rows left out, partial correlation. Factorisations are LAPACK's.
#include "matrix.h"
#include "resample.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// What a column's length, or what is left of it, is rounding below, relative to its size.
#define ROUNDING 1e-12
// Singular values of columns of length 1 below this, relative to the largest: the columns depend on each other.
#define DEPENDENT 1e-10

// out = x - its mean; returns the length, 0 when x is constant but for rounding (then out is 0 too).
static double centre(const double *x, uint32_t n, double *mean, double *out)
{
    double sum = 0, squares = 0, most = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += x[i] / n;
        most = fmax(most, fabs(x[i]));
    }
    *mean = sum;
    for (uint32_t i = 0; i < n; i++) {
        out[i] = x[i] - sum;
        squares += out[i] * out[i];
    }
    if (sqrt(squares) > ROUNDING * most * sqrt(n))
        return sqrt(squares);
    memset(out, 0, n * sizeof(*out));
    return 0;
}

// The thin SVD of `a` (n, columns) in columns.
static vkd_result factor(const char *call, double *a, struct vkd__column_basis *b, const struct vkd_log *log)
{
    const int n = (int) b->n, k = (int) b->columns, most = n < k ? n : k, query = -1;
    int whole[8 * VKD_OLS_COLUMNS_MAX], info = 0;
    double vt[VKD_OLS_COLUMNS_MAX * VKD_OLS_COLUMNS_MAX], size = 0;
    dgesdd_("S", &n, &k, a, &n, b->s, b->q, &n, vt, &most, &size, &query, whole, &info, 1);
    const int work_size = (int) size;
    double *work = vkd__measure_alloc((uint64_t) work_size, 1, sizeof(*work));
    if (!work)
        return vkd__measure_memory(call, "the SVD", log);
    dgesdd_("S", &n, &k, a, &n, b->s, b->q, &n, vt, &most, work, &work_size, whole, &info, 1);
    free(work);
    if (info) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s: the SVD of the columns did not converge (dgesdd: %d)", call, info);
        return VKD_DIVERGED;
    }
    while (b->rank < (uint32_t) most && b->s[b->rank] > DEPENDENT * b->s[0])
        b->rank++;
    for (int i = 0; i < most; i++)
        for (int j = 0; j < k; j++)
            b->v[i * k + j] = vt[i + j * most];
    return VKD_OK;
}

vkd_result vkd__column_basis_make(const char *call, const double *const *columns, uint32_t column_count, uint32_t n,
                           const struct vkd_log *log, struct vkd__column_basis *out)
{
    const uint64_t k = column_count;
    struct vkd__column_basis b = { .n = n, .columns = column_count };
    vkd_result r = VKD_OK;
    if (!n || n > INT_MAX || k > VKD_OLS_COLUMNS_MAX) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s: expected one row or more and at most %d columns, found %u and %u", call,
                      VKD_OLS_COLUMNS_MAX, n, column_count);
        return VKD_INVALID;
    }
    for (uint32_t j = 0; r == VKD_OK && j < k; j++)
        r = vkd__values_check(call, "a column", columns[j], n, log);
    if (r < 0)
        return r;
    double *a = vkd__measure_alloc(n, k, sizeof(*a));
    b.memory = vkd__measure_alloc(n + k + 3, k, sizeof(double));
    if (!a || !b.memory) {
        free(a);
        free(b.memory);
        return vkd__measure_memory(call, "the columns", log);
    }
    b.q = b.memory;
    b.v = b.q + n * k;
    b.s = b.v + k * k;
    b.mean = b.s + k;
    b.length = b.mean + k;
    for (uint64_t j = 0; j < k; j++) {
        double *column = a + j * n;
        b.length[j] = centre(columns[j], n, &b.mean[j], column);
        for (uint32_t i = 0; b.length[j] > 0 && i < n; i++)
            column[i] /= b.length[j];
    }
    if (k)
        r = factor(call, a, &b, log);
    free(a);
    if (r < 0)
        vkd__column_basis_finish(&b);
    else
        *out = b;
    return r;
}

void vkd__column_basis_finish(struct vkd__column_basis *b)
{
    free(b->memory);
    *b = (struct vkd__column_basis) { .memory = NULL };
}

double vkd__column_basis_residuals(const struct vkd__column_basis *b, const double *y, double *out)
{
    const uint64_t n = b->n;
    double mean, before = centre(y, b->n, &mean, out), squares = 0;
    for (int pass = 0; pass < 2; pass++)        // the second takes away what rounding left
        for (uint32_t k = 0; k < b->rank; k++) {
            const double *q = b->q + k * n;
            double dot = cblas_ddot((int) n, q, 1, out, 1);
            cblas_daxpy((int) n, -dot, q, 1, out, 1);
        }
    for (uint32_t i = 0; i < n; i++)
        squares += out[i] * out[i];
    if (squares > ROUNDING * ROUNDING * before * before)
        return squares;
    memset(out, 0, n * sizeof(*out));
    return 0;
}

// ---- Least squares ----

// The coefficients and their errors, of columns that do not depend on each other.
static void coefficients(const struct vkd__column_basis *b, const double *y, double y_mean, double variance, struct vkd_ols *o)
{
    const uint32_t k = b->columns, n = b->n;
    double dot[VKD_OLS_COLUMNS_MAX], cov[VKD_OLS_COLUMNS_MAX][VKD_OLS_COLUMNS_MAX], of_constant = 1.0 / n;
    double *beta = o->coefficients + 1;
    o->coefficients[0] = y_mean;
    for (uint32_t i = 0; i < k; i++) {
        dot[i] = 0;
        for (uint32_t row = 0; row < n; row++)
            dot[i] += b->q[(uint64_t) i * n + row] * (y[row] - y_mean);
    }
    for (uint32_t j = 0; j < k; j++) {
        beta[j] = 0;
        for (uint32_t i = 0; i < k; i++)
            beta[j] += b->v[i * k + j] / b->s[i] * dot[i] / b->length[j];
        for (uint32_t l = 0; l < k; l++) {
            cov[j][l] = 0;
            for (uint32_t i = 0; i < k; i++)
                cov[j][l] += b->v[i * k + j] * b->v[i * k + l] / (b->s[i] * b->s[i] * b->length[j] * b->length[l]);
        }
        o->coefficients[0] -= beta[j] * b->mean[j];
        o->std_errors[1 + j] = sqrt(variance * cov[j][j]);
    }
    for (uint32_t j = 0; j < k; j++)
        for (uint32_t l = 0; l < k; l++)
            of_constant += b->mean[j] * cov[j][l] * b->mean[l];
    o->std_errors[0] = sqrt(variance * of_constant);
}

static void fit(const struct vkd__column_basis *b, const double *y, struct vkd_ols *o, double *residuals, double *leverages)
{
    const uint32_t n = b->n;
    double y_mean, total = centre(y, n, &y_mean, residuals), press = 0;
    const double left = vkd__column_basis_residuals(b, y, residuals);
    *o = (struct vkd_ols) { .n = n, .params = b->columns + 1, .rank = b->rank + 1 };
    total *= total;
    for (uint32_t i = 0; i < n; i++) {
        double h = 1.0 / n;
        for (uint32_t k = 0; k < b->rank; k++)
            h += b->q[(uint64_t) k * n + i] * b->q[(uint64_t) k * n + i];
        double e = 1 - h > DEPENDENT ? residuals[i] / (1 - h) : NAN;
        press += e * e;
        if (leverages)
            leverages[i] = h;
    }
    o->r2 = total > 0 ? 1 - left / total : NAN;
    o->loo_r2 = total > 0 ? 1 - press / total : NAN;
    o->adjusted_r2 = n > o->rank ? 1 - (1 - o->r2) * (n - 1.0) / (n - o->rank) : NAN;
    const double variance = n > o->rank ? left / (n - o->rank) : NAN;
    o->residual_std = sqrt(variance);
    if (o->rank == o->params)
        coefficients(b, y, y_mean, variance, o);
    else
        for (uint32_t j = 0; j < o->params; j++)
            o->coefficients[j] = o->std_errors[j] = NAN;
}

static void warn_of_rank(const struct vkd__column_basis *b, const struct vkd_log *log)
{
    for (uint32_t j = 0; j < b->columns; j++)
        if (b->length[j] <= 0)
            vkd_log_write(log, VKD_LOG_WARNING, "least squares: column %u is constant: it has no coefficient of its own",
                          j);
    if (b->rank < b->columns)
        vkd_log_write(log, VKD_LOG_WARNING, "least squares: %u rows and %u columns have rank %u of %u: coefficients are "
                      "not unique and left out", b->n, b->columns, b->rank + 1, b->columns + 1);
}

vkd_result vkd_ols(const double *y, const double *const *columns, uint32_t column_count, uint32_t n,
                   const struct vkd_log *log, struct vkd_ols *out, double *residuals, double *leverages)
{
    struct vkd__column_basis b;
    vkd_result r = vkd__values_check("least squares", "y", y, n, log);
    if (r == VKD_OK)
        r = vkd__column_basis_make("least squares", columns, column_count, n, log, &b);
    if (r < 0)
        return r;
    double *own = residuals ? NULL : vkd__measure_alloc(n, 1, sizeof(*own));
    if (residuals || own) {
        warn_of_rank(&b, log);
        fit(&b, y, out, residuals ? residuals : own, leverages);
    } else {
        r = vkd__measure_memory("least squares", "the residuals", log);
    }
    free(own);
    vkd__column_basis_finish(&b);
    return r;
}

// ---- Clusters left out ----

struct left_out {
    const double *y, *const *columns;
    const uint32_t *clusters;
    uint32_t n, column_count;
    double *rest;               // (1 + column_count, n): the rows that a fit is to, y first
};

// Adds the squares by which a fit to the rows of other clusters misses those of `cluster`. VKD_OK with a NaN: there is
// no such fit.
static vkd_result predict_cluster(const struct left_out *l, uint32_t cluster, const struct vkd_log *log, double *press)
{
    const double *rest[VKD_OLS_COLUMNS_MAX + 1];
    struct vkd_ols o;
    uint32_t count = 0;
    for (uint32_t j = 0; j <= l->column_count; j++)
        rest[j] = l->rest + (uint64_t) j * l->n;
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->clusters[i] == cluster)
            continue;
        l->rest[count] = l->y[i];
        for (uint32_t j = 0; j < l->column_count; j++)
            l->rest[(uint64_t) (j + 1) * l->n + count] = l->columns[j][i];
        count++;
    }
    if (!count) {
        *press = NAN;
        return VKD_OK;
    }
    vkd_result r = vkd_ols(rest[0], rest + 1, l->column_count, count, NULL, &o, NULL, NULL);
    if (r < 0) {
        vkd_log_write(log, VKD_LOG_ERROR, "least squares without cluster %u: %s", cluster, vkd_result_text(r));
        return r;
    }
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->clusters[i] != cluster)
            continue;
        double e = l->y[i] - o.coefficients[0];
        for (uint32_t j = 0; j < l->column_count; j++)
            e -= o.coefficients[1 + j] * l->columns[j][i];
        *press += e * e;
    }
    return VKD_OK;
}

vkd_result vkd_ols_cluster_loo(const double *y, const double *const *columns, uint32_t column_count, uint32_t n,
                               const uint32_t *clusters, const struct vkd_log *log, double *r2)
{
    struct left_out l = { y, columns, clusters, n, column_count, NULL };
    struct vkd_ols whole;
    double press = 0, mean, total;
    vkd_result r = vkd_ols(y, columns, column_count, n, log, &whole, NULL, NULL);     // all checks
    if (r < 0)
        return r;
    l.rest = vkd__measure_alloc(n, column_count + 1ull, sizeof(double));
    if (!l.rest)
        return vkd__measure_memory("least squares", "the rows of other clusters", log);
    total = centre(y, n, &mean, l.rest);
    for (uint32_t i = 0; r == VKD_OK && i < n; i++) {
        uint32_t first = 0;
        while (clusters[first] != clusters[i])
            first++;
        if (first == i)
            r = predict_cluster(&l, clusters[i], log, &press);
    }
    if (r == VKD_OK)
        *r2 = total > 0 ? 1 - press / (total * total) : NAN;
    free(l.rest);
    return r;
}

// ---- Partial correlation ----

vkd_result vkd_partial_correlation(const double *y, const double *x, const double *const *controls,
                                   uint32_t control_count, uint32_t n, const struct vkd_log *log, double *out)
{
    static const char call[] = "partial correlation";
    struct vkd__column_basis b;
    vkd_result r = vkd__values_check(call, "y", y, n, log);
    if (r == VKD_OK)
        r = vkd__values_check(call, "x", x, n, log);
    if (r == VKD_OK)
        r = vkd__column_basis_make(call, controls, control_count, n, log, &b);
    if (r < 0)
        return r;
    double *left = vkd__measure_alloc(n, 2, sizeof(*left));
    if (left) {
        double yy = vkd__column_basis_residuals(&b, y, left), xx = vkd__column_basis_residuals(&b, x, left + n);
        double xy = cblas_ddot((int) n, left, 1, left + n, 1);
        bool has = yy > 0 && xx > 0 && n >= control_count + 3;
        *out = has ? fmax(-1, fmin(1, xy / sqrt(yy) / sqrt(xx))) : NAN;
    } else {
        r = vkd__measure_memory(call, "the residuals", log);
    }
    free(left);
    vkd__column_basis_finish(&b);
    return r;
}
