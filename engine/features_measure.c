// features_measure.c -- how diverse a model's features are, and how alike those of two models.
#include "diversity_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CKA_ROWS = 256, VALUES = sizeof(struct vkd_feature_values) / sizeof(double) };
#define CONSTANT 1e-6       // of a channel's size: what varies less is rounding

_Static_assert(sizeof(struct vkd_feature_values) == VALUES * sizeof(double), "only doubles");

// ---- Channels ----

// A channel's values over all images minus their mean; zeros where they are all the same.
static void centre(const struct vkd_features *f, uint32_t c, float *out)
{
    double mean = 0, size = 0, spread = 0;
    for (uint32_t i = 0; i < f->rows; i++)
        mean += f->values[(uint64_t) i * f->dim + c];
    mean /= f->rows;
    for (uint32_t i = 0; i < f->rows; i++) {
        const double x = f->values[(uint64_t) i * f->dim + c];
        out[i] = (float) (x - mean);
        size += x * x;
        spread += (x - mean) * (x - mean);
    }
    if (spread <= CONSTANT * CONSTANT * size)
        memset(out, 0, f->rows * sizeof(*out));
}

static vkd_result measure_channels(const vkd_filter_nulls *n, const struct vkd_features *f, struct vkd_layer_diversity *out,
                                   double **heights)
{
    float *turned = malloc(((uint64_t) f->rows * f->dim + 1) * sizeof(*turned));
    if (!turned)
        return VKD_NO_MEMORY;
    for (uint32_t c = 0; c < f->dim; c++)
        centre(f, c, turned + (uint64_t) c * f->rows);
    *out = (struct vkd_layer_diversity) { .kind = VKD_LAYER_OTHER, .filters = f->dim, .fan_in = f->rows };
    snprintf(out->name, sizeof(out->name), "%s", f->layer[0] ? f->layer : "features");
    vkd_result r = vkd__measure_living(n, &(struct vkd_matrix) { turned, f->dim, f->rows, 0 }, &out->dead, heights, &out->found);
    free(turned);
    return r;
}

// ---- A layer's features ----

vkd_result vkd__features_found(const vkd_filter_nulls *n, const struct vkd_features *f, const struct vkd_log *log,
                               struct vkd_feature_diversity *out, double **heights)
{
    struct vkd_feature_diversity d = { .rows = f->rows, .dim = f->dim, .threshold_count = n->p.threshold_count };
    const struct vkd_matrix z = { f->values, f->rows, f->dim, 0 };
    struct vkd_feature_measures m;
    double lidar = NAN, separation = NAN;
    uint32_t labelled = 0;
    snprintf(d.layer, sizeof(d.layer), "%s", f->layer[0] ? f->layer : "features");
    memcpy(d.thresholds, n->p.thresholds, sizeof(d.thresholds));
    for (uint32_t i = 0; i < f->rows; i++)
        labelled += f->labels[i] != VKD_NO_LABEL;
    vkd_result r = vkd_feature_measure(&z, log, &m);
    if (r == VKD_OK && labelled)
        r = vkd_class_separation(&z, f->labels, f->classes, log, &separation);
    if (r == VKD_OK && f->views > 1 && f->rows > 1) {
        r = vkd_lidar(&(struct vkd_matrix) { f->view_values, f->rows * f->views, f->dim, 0 }, f->views, log, &lidar);
        r = r == VKD_DIVERGED ? VKD_OK : r;     // it has said so; the other measures do not need it
    }
    if (r == VKD_OK)
        r = measure_channels(n, f, &d.channels, heights);
    if (r < 0)
        return r;
    d.found = (struct vkd_feature_values) {
        .rankme = m.rankme, .effective_rank = m.effective_rank, .eigen_rank = m.eigen_rank, .alpha = m.alpha,
        .vendi = m.vendi, .std = m.std, .lidar = lidar, .class_separation = separation,
    };
    *out = d;
    return VKD_OK;
}

// All that a null that is not known says.
static void forget(void *values, size_t size)
{
    const double none = NAN;
    for (size_t i = 0; i < size; i += sizeof(none))
        memcpy((char *) values + i, &none, sizeof(none));
}

vkd_result vkd_features_measure(vkd_filter_nulls *nulls, const struct vkd_features *f, const struct vkd_log *log,
                                struct vkd_feature_diversity *out)
{
    const struct vkd__feature_null *null = vkd__feature_null_find(nulls, f);
    struct vkd_feature_diversity d;
    double *heights = NULL;
    if (f->rows <= f->dim)
        vkd_log_write(log, VKD_LOG_WARNING, "%u images cannot show all %u dimensions of the features%s%s: ranks are at most "
                      "%u; take more than %u", f->rows, f->dim, f->layer[0] ? " of layer " : "", f->layer, f->rows, f->dim);
    vkd_result r = vkd__features_found(nulls, f, log, &d, &heights);
    if (r < 0)
        return r;
    if (null) {
        d.draws = nulls->p.draws;
        d.null = null->value;
        d.channels.null = null->channels;
        d.channels.calibrated = null->calibrated;
    } else {
        forget(&d.null, sizeof(d.null));
        forget(&d.channels.null, sizeof(d.channels.null));
        d.channels.calibrated = NAN;
    }
    vkd__count_clusters(nulls, heights, d.dim - d.channels.dead, d.channels.calibrated, &d.channels.found);
    free(heights);
    *out = d;
    return VKD_OK;
}

// ---- Means over layers ----

static struct vkd_feature_values share_of(const struct vkd_feature_diversity *d, struct vkd_feature_values v)
{
    const double most = d->rows < d->dim ? d->rows : d->dim;
    v.rankme /= most;
    v.effective_rank /= most;
    v.eigen_rank /= most;
    v.vendi /= most;
    v.lidar /= most;
    v.std *= sqrt(d->dim);
    return v;
}

void vkd_features_average(const struct vkd_feature_diversity *layers, uint32_t count, struct vkd_features_aggregate *out)
{
    enum { ALL = VALUES + 1 };
    double sum[2][ALL] = { { 0 } }, weight[ALL] = { 0 }, of[2][ALL];
    *out = (struct vkd_features_aggregate) { .layers = count };
    for (uint32_t i = 0; i < count; i++) {
        const struct vkd_feature_diversity *d = &layers[i];
        const struct vkd_feature_values shares[2] = { share_of(d, d->found), share_of(d, d->null) };
        for (uint32_t s = 0; s < 2; s++)
            memcpy(of[s], &shares[s], sizeof(shares[s]));
        of[0][VALUES] = d->channels.found.clusters[d->threshold_count] / d->dim;
        of[1][VALUES] = d->channels.null.clusters[d->threshold_count] / d->dim;
        for (uint32_t k = 0; k < ALL; k++) {
            if (isnan(of[0][k]) || isnan(of[1][k]))
                continue;
            weight[k] += d->dim;
            sum[0][k] += d->dim * of[0][k];
            sum[1][k] += d->dim * of[1][k];
        }
    }
    for (uint32_t k = 0; k < ALL; k++)
        for (uint32_t s = 0; s < 2; s++)
            sum[s][k] = weight[k] > 0 ? sum[s][k] / weight[k] : NAN;
    memcpy(&out->found, sum[0], sizeof(out->found));
    memcpy(&out->null, sum[1], sizeof(out->null));
    out->clusters[0] = sum[0][VALUES];
    out->clusters[1] = sum[1][VALUES];
}

// ---- Two models ----

vkd_result vkd_features_cka(const struct vkd_features *a, const struct vkd_features *b, vkd_products *products,
                            const struct vkd_log *log, double *out)
{
    struct vkd_cka_sums sums = { .xy = 0 };
    vkd_result r = VKD_OK;
    if (a->rows != b->rows || a->rows < 4 || memcmp(a->indices, b->indices, a->rows * sizeof(*a->indices)) ||
        a->data_fingerprint != b->data_fingerprint) {
        vkd_log_write(log, VKD_LOG_ERROR, "CKA compares features of the same images, 4 or more: found %u and %u images%s",
                      a->rows, b->rows, a->rows == b->rows ? ", not the same" : "");
        return VKD_INVALID;
    }
    for (uint32_t first = 0; r == VKD_OK && first < a->rows;) {
        uint32_t left = a->rows - first, count = left < CKA_ROWS + 4 ? left : CKA_ROWS;     // no rest of less than 4
        r = vkd_cka_add(&sums, &(struct vkd_matrix) { a->values + (uint64_t) first * a->dim, count, a->dim, 0 },
                        &(struct vkd_matrix) { b->values + (uint64_t) first * b->dim, count, b->dim, 0 }, products, log);
        first += count;
    }
    if (r == VKD_OK)
        *out = vkd_cka_value(&sums);
    return r;
}
