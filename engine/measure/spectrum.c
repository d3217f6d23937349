// spectrum.c -- singular values of a matrix, and the ranks that are read off them.
//
// The short way, eigenvalues of the Gram matrix Z^T Z, squares the condition: singular values below 1e-8
// of the largest drown in rounding. RankMe adds 1e-7 to each share, and features that collapse, which it
// shall show, have all but a few values down there. So: R of a QR factorisation, grown block of rows by
// block of rows, then the singular values of R. That costs four times the Gram matrix' way (1.5 against
// 0.4 s at d = 2048).
#include "matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char call[] = "spectrum";

struct factor {
    struct vkd_matrix z;
    bool wide;              // n < d: the factor is that of Z^T
    uint32_t small, large;  // min, max of (n, d)
    uint32_t panel;         // of the large side, one block
    double *row_scale;      // n
    double *shift;          // d
    double *r;              // small x small, upper, by columns
    double *block;          // panel x small, by columns
    double *work;
};

#define QR_COLUMNS 32       // dtpqrt's own blocking

// Columns of the block are the small side's: Z's own columns, or rows where it is wide.
static void fill_block(struct factor *f, uint32_t first, uint32_t count)
{
    if (f->wide) {
        for (uint32_t i = 0; i < f->small; i++) {
            const float *row = vkd__row(&f->z, i) + first;
            for (uint32_t c = 0; c < count; c++)
                f->block[(uint64_t) i * count + c] = (row[c] - f->shift[first + c]) * f->row_scale[i];
        }
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const float *row = vkd__row(&f->z, first + i);
        for (uint32_t c = 0; c < f->small; c++)
            f->block[(uint64_t) c * count + i] = (row[c] - f->shift[c]) * f->row_scale[first + i];
    }
}

static vkd_result reduce_blocks(struct factor *f, const struct vkd_log *log)
{
    const int n = (int) f->small, none = 0, columns = n < QR_COLUMNS ? n : QR_COLUMNS;
    double *t = f->work, *work = t + (uint64_t) columns * f->small;
    for (uint32_t first = 0; first < f->large; first += f->panel) {
        const int m = (int) (f->large - first < f->panel ? f->large - first : f->panel);
        int info = 0;
        fill_block(f, first, (uint32_t) m);
        dtpqrt_(&m, &n, &none, &columns, f->r, &n, f->block, &m, t, &columns, work, &info);
        if (info) {
            vkd_log_write(log, VKD_LOG_ERROR, "%s: LAPACK's dtpqrt refused its argument %d", call, -info);
            return VKD_DIVERGED;
        }
    }
    return VKD_OK;
}

// The singular values of a small x small matrix, which is destroyed.
static vkd_result singular_values(double *a, uint32_t small, const struct vkd_log *log, double *values)
{
    const int n = (int) small, one = 1, query = -1;
    double size = 0, unused = 0;
    int info = 0;
    vkd_result r = VKD_OK;
    double *work = NULL;
    int *iwork = vkd__measure_alloc(small, 8, sizeof(*iwork));
    if (iwork) {
        dgesdd_("N", &n, &n, a, &n, values, &unused, &one, &unused, &one, &size, &query, iwork, &info, 1);
        work = vkd__measure_alloc((uint64_t) size, 1, sizeof(*work));
    }
    if (!work) {
        r = vkd__measure_memory(call, "the SVD", log);
        goto done;
    }
    const int work_size = (int) size;
    dgesdd_("N", &n, &n, a, &n, values, &unused, &one, &unused, &one, work, &work_size, iwork, &info, 1);
    if (info) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s: the SVD of a %u x %u matrix did not converge (dgesdd: %d)", call, small,
                      small, info);
        r = VKD_DIVERGED;
    }
done:
    free(work);
    free(iwork);
    return r;
}

static vkd_result factor_init(struct factor *f, enum vkd_spectrum_of of, const struct vkd_log *log)
{
    f->wide = f->z.rows < f->z.cols;
    f->small = f->wide ? f->z.rows : f->z.cols;
    f->large = f->wide ? f->z.cols : f->z.rows;
    f->panel = vkd__block_rows(f->large, f->small);
    f->row_scale = vkd__measure_alloc(f->z.rows, 1, sizeof(double));
    f->shift = vkd__measure_alloc(f->z.cols, 1, sizeof(double));
    f->r = vkd__measure_alloc(f->small, f->small, sizeof(double));
    f->block = vkd__measure_alloc(f->panel, f->small, sizeof(double));
    f->work = vkd__measure_alloc(f->small, 2 * QR_COLUMNS, sizeof(double));
    if (!f->row_scale || !f->shift || !f->r || !f->block || !f->work)
        return vkd__measure_memory(call, "the QR factorisation", log);
    if (of == VKD_SPECTRUM_CENTRED)
        vkd__column_means(&f->z, f->shift);
    for (uint32_t i = 0; i < f->z.rows; i++)
        f->row_scale[i] = of == VKD_SPECTRUM_UNIT_ROWS ? vkd__row_scale(vkd__row(&f->z, i), f->z.cols) : 1;
    return VKD_OK;
}

static void factor_finish(struct factor *f)
{
    free(f->work);
    free(f->block);
    free(f->r);
    free(f->shift);
    free(f->row_scale);
}

vkd_result vkd_spectrum(const struct vkd_matrix *z, enum vkd_spectrum_of of, const struct vkd_log *log, double *values)
{
    struct factor f = { .z = *z };
    double *found = NULL;
    vkd_result r = vkd__matrix_check(call, "Z", &f.z, log);
    if (r < 0)
        return r;
    r = factor_init(&f, of, log);
    if (r == VKD_OK)
        r = reduce_blocks(&f, log);
    if (r == VKD_OK && !(found = vkd__measure_alloc(f.small, 1, sizeof(*found))))
        r = vkd__measure_memory(call, "the values", log);
    if (r == VKD_OK)
        r = singular_values(f.r, f.small, log, found);
    if (r == VKD_OK)
        memcpy(values, found, f.small * sizeof(*values));
    free(found);
    factor_finish(&f);
    return r;
}

// ---- Ranks ----

// exp of the entropy of p = x / sum(x) + extra, x = values or their squares.
static double entropy_rank(const double *values, uint32_t count, bool squared, double extra)
{
    double largest = 0, sum = 0, entropy = 0;
    for (uint32_t i = 0; i < count; i++)
        largest = fmax(largest, values[i]);
    if (!(largest > 0))
        return 0;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < count; i++) {
            double x = values[i] / largest, p;
            x = squared ? x * x : x;
            if (pass == 0) {
                sum += x;
                continue;
            }
            p = x / sum + extra;
            entropy -= p > 0 ? p * log(p) : 0;
        }
    }
    return exp(entropy);
}

double vkd_spectrum_rankme(const double *values, uint32_t count)
{
    return entropy_rank(values, count, false, 1e-7);
}

double vkd_spectrum_effective_rank(const double *values, uint32_t count)
{
    return entropy_rank(values, count, false, 0);
}

double vkd_spectrum_eigen_rank(const double *values, uint32_t count)
{
    return entropy_rank(values, count, true, 0);
}

double vkd_spectrum_alpha(const double *values, uint32_t count)
{
    double n = 0, mean_x = 0, mean_y = 0, xx = 0, xy = 0;
    for (uint32_t rank = 11; rank <= count && rank <= 100; rank++) {
        if (!(values[rank - 1] > 1e-12 * values[0]))
            continue;
        double x = log(rank), y = 2 * log(values[rank - 1]), dx = x - mean_x;
        mean_x += dx / ++n;
        mean_y += (y - mean_y) / n;
        xx += dx * (x - mean_x);
        xy += dx * (y - mean_y);
    }
    return n >= 2 ? -xy / xx : NAN;
}

vkd_result vkd_rankme(const struct vkd_matrix *z, const struct vkd_log *log, double *out)
{
    uint32_t count = z->rows < z->cols ? z->rows : z->cols;
    double *values = vkd__measure_alloc(count, 1, sizeof(*values));
    if (!values)
        return vkd__measure_memory("rankme", "the singular values", log);
    vkd_result r = vkd_spectrum(z, VKD_SPECTRUM_PLAIN, log, values);
    if (r == VKD_OK)
        *out = vkd_spectrum_rankme(values, count);
    free(values);
    return r;
}

vkd_result vkd_feature_measure(const struct vkd_matrix *z, const struct vkd_log *log, struct vkd_feature_measures *out)
{
    struct vkd_feature_measures m;
    uint32_t count = z->rows < z->cols ? z->rows : z->cols;
    double *values = vkd__measure_alloc(count, 1, sizeof(*values));
    if (!values)
        return vkd__measure_memory("feature measure", "the singular values", log);
    vkd_result r = vkd_feature_std(z, log, &m.std);
    if (r == VKD_OK)
        r = vkd_spectrum(z, VKD_SPECTRUM_PLAIN, log, values);
    if (r == VKD_OK) {
        m.rankme = vkd_spectrum_rankme(values, count);
        m.effective_rank = vkd_spectrum_effective_rank(values, count);
        m.eigen_rank = vkd_spectrum_eigen_rank(values, count);
        r = vkd_spectrum(z, VKD_SPECTRUM_CENTRED, log, values);
    }
    if (r == VKD_OK) {
        m.alpha = vkd_spectrum_alpha(values, count);
        r = vkd_spectrum(z, VKD_SPECTRUM_UNIT_ROWS, log, values);
    }
    if (r == VKD_OK) {
        m.vendi = vkd_spectrum_eigen_rank(values, count);
        *out = m;
    }
    free(values);
    return r;
}
