// features_measure.c -- how diverse a model's features are, and how alike those of two models.
#include <vkdiv/diversity.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CKA_ROWS = 256 };

static vkd_result measure_channels(vkd_filter_nulls *nulls, const struct vkd_features *f, struct vkd_layer_diversity *out)
{
    float *turned = malloc(((uint64_t) f->rows * f->dim + 1) * sizeof(*turned));
    if (!turned)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < f->rows; i++)
        for (uint32_t c = 0; c < f->dim; c++)
            turned[(uint64_t) c * f->rows + i] = f->values[(uint64_t) i * f->dim + c];
    vkd_result r = vkd_layer_measure(nulls, &(struct vkd_matrix) { turned, f->dim, f->rows, 0 }, out);
    free(turned);
    if (r == VKD_OK) {
        snprintf(out->name, sizeof(out->name), "features");
        out->kind = VKD_LAYER_OTHER;
    }
    return r;
}

vkd_result vkd_features_measure(vkd_filter_nulls *nulls, const struct vkd_features *f, const struct vkd_log *log,
                                struct vkd_feature_diversity *out)
{
    struct vkd_feature_diversity d = { .lidar = NAN, .class_separation = NAN };
    const struct vkd_matrix z = { f->values, f->rows, f->dim, 0 };
    const double *thresholds = vkd_filter_thresholds(nulls, &d.threshold_count);
    uint32_t labelled = 0;
    memcpy(d.thresholds, thresholds, d.threshold_count * sizeof(*thresholds));
    for (uint32_t i = 0; i < f->rows; i++)
        labelled += f->labels[i] != VKD_NO_LABEL;
    if (f->rows <= f->dim)
        vkd_log_write(log, VKD_LOG_WARNING, "%u images cannot show all %u dimensions of the features: ranks are at most "
                      "%u; take more than %u", f->rows, f->dim, f->rows, f->dim);
    vkd_result r = vkd_feature_measure(&z, log, &d.features);
    if (r == VKD_OK && labelled)
        r = vkd_class_separation(&z, f->labels, f->classes, log, &d.class_separation);
    if (r == VKD_OK && f->views > 1 && f->rows > 1) {
        r = vkd_lidar(&(struct vkd_matrix) { f->view_values, f->rows * f->views, f->dim, 0 }, f->views, log, &d.lidar);
        r = r == VKD_DIVERGED ? VKD_OK : r;     // it has said so; the other measures do not need it
    }
    if (r == VKD_OK)
        r = measure_channels(nulls, f, &d.channels);
    if (r == VKD_OK)
        *out = d;
    return r;
}

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
