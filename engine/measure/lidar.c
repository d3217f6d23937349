// lidar.c -- LiDAR: how many directions tell images apart, beside how much their views differ.
#include "matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char call[] = "lidar";

struct lidar {
    struct vkd_matrix z;
    uint32_t views, images, panel;      // images of a block
    double *mean;                       // d, of all
    double *block;                      // (panel * views, d)
    double *means;                      // (panel, d)
    double *between, *within;           // (d, d), one triangle
    double *values;                     // d
};

// Splits the rows of a block into the images' means and what the views differ from them by.
static void split_views(const struct lidar *l, uint32_t count)
{
    const uint32_t d = l->z.cols;
    memset(l->means, 0, (uint64_t) count * d * sizeof(double));
    for (uint32_t i = 0; i < count; i++) {
        double *mean = l->means + (uint64_t) i * d, *rows = l->block + (uint64_t) i * l->views * d;
        for (uint64_t v = 0; v < l->views; v++)
            for (uint32_t c = 0; c < d; c++)
                mean[c] += rows[v * d + c] / l->views;
        for (uint64_t v = 0; v < l->views; v++)
            for (uint32_t c = 0; c < d; c++)
                rows[v * d + c] -= mean[c];
    }
}

static void scatter(const struct lidar *l)
{
    const int d = (int) l->z.cols;
    vkd__column_means(&l->z, l->mean);
    for (uint32_t first = 0; first < l->images; first += l->panel) {
        const uint32_t count = l->images - first < l->panel ? l->images - first : l->panel, rows = count * l->views;
        const double add = first ? 1 : 0;
        vkd__shifted_rows(&l->z, l->mean, first * l->views, rows, l->block);
        split_views(l, count);
        cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, d, (int) count, 1.0 / l->images, l->means, d, add,
                    l->between, d);
        cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, d, (int) rows, 1.0 / l->z.rows, l->block, d, add,
                    l->within, d);
    }
    for (uint64_t c = 0; c < l->z.cols; c++)
        l->within[c * l->z.cols + c] += 1e-4;
}

// The eigenvalues of Sb v = x Sw v.
static vkd_result eigenvalues(const struct lidar *l, const struct vkd_log *log)
{
    const int one = 1, d = (int) l->z.cols, query = -1;
    double size = 0;
    int whole_size = 0, info = 0;
    dsygvd_(&one, "N", "L", &d, l->between, &d, l->within, &d, l->values, &size, &query, &whole_size, &query, &info, 1,
            1);
    const int work_size = (int) size;
    double *work = vkd__measure_alloc((uint64_t) work_size, 1, sizeof(*work));
    int *whole = vkd__measure_alloc((uint64_t) whole_size, 1, sizeof(*whole));
    vkd_result r = work && whole ? VKD_OK : vkd__measure_memory(call, "the eigenvalues", log);
    if (r < 0)
        goto done;
    dsygvd_(&one, "N", "L", &d, l->between, &d, l->within, &d, l->values, work, &work_size, whole, &whole_size, &info,
            1, 1);
    if (info) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s: %s (dsygvd: %d)", call, info > d ? "the scatter of the views + 1e-4 I "
                      "is not positive definite; scale the features down" : "the eigenvalues did not converge", info);
        r = VKD_DIVERGED;
    }
done:
    free(whole);
    free(work);
    return r;
}

static vkd_result lidar_init(struct lidar *l, const struct vkd_log *log)
{
    const uint64_t d = l->z.cols;
    l->images = l->z.rows / l->views;
    l->panel = vkd__block_rows(l->images, l->views * d);
    l->mean = vkd__measure_alloc(d, 1, sizeof(double));
    l->block = vkd__measure_alloc((uint64_t) l->panel * l->views, d, sizeof(double));
    l->means = vkd__measure_alloc(l->panel, d, sizeof(double));
    l->between = vkd__measure_alloc(d, d, sizeof(double));
    l->within = vkd__measure_alloc(d, d, sizeof(double));
    l->values = vkd__measure_alloc(d, 1, sizeof(double));
    if (!l->mean || !l->block || !l->means || !l->between || !l->within || !l->values)
        return vkd__measure_memory(call, "the scatter matrices", log);
    return VKD_OK;
}

static void lidar_finish(struct lidar *l)
{
    free(l->values);
    free(l->within);
    free(l->between);
    free(l->means);
    free(l->block);
    free(l->mean);
}

vkd_result vkd_lidar(const struct vkd_matrix *z, uint32_t views, const struct vkd_log *log, double *out)
{
    struct lidar l = { .z = *z, .views = views };
    vkd_result r = vkd__matrix_check(call, "Z", &l.z, log);
    if (r < 0)
        return r;
    if (views < 2 || l.z.rows / views < 2 || l.z.rows % views) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s: expected 2 views or more of 2 images or more, rows a multiple of the "
                      "views; found %u views and %u rows", call, views, l.z.rows);
        return VKD_INVALID;
    }
    r = lidar_init(&l, log);
    if (r == VKD_OK) {
        scatter(&l);
        r = eigenvalues(&l, log);
    }
    if (r == VKD_OK) {
        for (uint32_t c = 0; c < l.z.cols; c++)
            l.values[c] = fmax(0, l.values[c]);     // rounding of zeros
        *out = vkd_spectrum_effective_rank(l.values, l.z.cols);
    }
    lidar_finish(&l);
    return r;
}
