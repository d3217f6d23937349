// diversity.c -- how diverse a model's filters are, beside random filters of the same shapes.
#include "diversity_impl.h"
#include "measure/filters.h"
#include "model_file.h"
#include "../shaders/philox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DRAWS = 3,
    LOST = 20,                  // one in so many clusters of the null is gone at the calibrated threshold
    MEASURES = sizeof(struct vkd_filter_diversity) / sizeof(double),
};
#define NORM_EPS 1e-5       // of every batch norm of the models

_Static_assert(sizeof(struct vkd_filter_diversity) == MEASURES * sizeof(double), "only doubles");

const char *vkd_layer_kind_name(enum vkd_layer_kind kind)
{
    static const char *const names[VKD_LAYER_KIND_COUNT] = { "3x3", "1x1", "depthwise", "linear", "other" };
    return (unsigned) kind < VKD_LAYER_KIND_COUNT ? names[kind] : "unknown";
}

// ---- Nulls ------------------------------------------------------------------------------------

vkd_result vkd_filter_nulls_create(const struct vkd_null_params *p, vkd_filter_nulls **out)
{
    bool good = p->threshold_count <= VKD_THRESHOLDS_MAX && p->draws <= VKD__DRAWS_MAX;
    for (uint32_t i = 0; good && i < p->threshold_count; i++)
        good = p->thresholds[i] > (i ? p->thresholds[i - 1] : 0) && p->thresholds[i] < 2;
    if (!good) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "random filters: expected at most %d draws and %d thresholds, ascending, "
                      "above 0 and below 2; found %u draws, %u thresholds", VKD__DRAWS_MAX, VKD_THRESHOLDS_MAX, p->draws,
                      p->threshold_count);
        return VKD_INVALID;
    }
    vkd_filter_nulls *n = calloc(1, sizeof(*n));
    if (!n)
        return VKD_NO_MEMORY;
    if (p->dev && vkd_products_create(p->dev, &n->products) < 0) {
        free(n);
        return VKD_NO_MEMORY;
    }
    n->p = *p;
    n->p.draws = p->draws ? p->draws : DRAWS;
    if (!p->threshold_count) {
        n->p.threshold_count = 7;
        for (uint32_t i = 0; i < 7; i++)
            n->p.thresholds[i] = (i + 1) / 10.0;
    }
    *out = n;
    return VKD_OK;
}

void vkd_filter_nulls_destroy(vkd_filter_nulls **pn)
{
    vkd_filter_nulls *n = *pn;
    while (n && n->known) {
        struct vkd__filter_null *next = n->known->next;
        free(n->known);
        n->known = next;
    }
    while (n && n->features) {
        struct vkd__feature_null *next = n->features->next;
        free(n->features);
        n->features = next;
    }
    if (n)
        vkd_products_destroy(&n->products);
    free(n);
    *pn = NULL;
}

const double *vkd_filter_thresholds(const vkd_filter_nulls *n, uint32_t *count)
{
    *count = n->p.threshold_count;
    return n->p.thresholds;
}

// Gaussian numbers by Box-Muller, those of one draw of one shape.
static void fill_normal(float *w, uint32_t filters, uint32_t fan_in, uint64_t seed, uint32_t draw)
{
    const u32 key[2] = { (u32) seed, (u32) (seed >> 32) ^ draw << 24 };
    const uint64_t count = (uint64_t) filters * fan_in;
    for (uint64_t i = 0; i < count; i += 4) {
        u32 words[4] = { VKD_STREAM_NULL, (u32) (i / 4), filters, fan_in };
        vkd_philox(words, key);
        for (uint32_t k = 0; k < 4 && i + k < count; k += 2) {
            double radius = sqrt(-2 * log(1 - (double) vkd_uniform(words[k])));
            double angle = 6.28318530717958647692 * (double) vkd_uniform(words[k + 1]);
            w[i + k] = (float) (radius * cos(angle));
            if (i + k + 1 < count)
                w[i + k + 1] = (float) (radius * sin(angle));
        }
    }
}

// ---- One layer --------------------------------------------------------------------------------

// Everything but the clusters; `heights` (filters - 1) is filled too.
static vkd_result measure_plain(const vkd_filter_nulls *n, const struct vkd_matrix *w, double *heights,
                                struct vkd_filter_diversity *out)
{
    struct vkd_filter_measures f;
    vkd_result r = vkd__filters_measure(w, n->products, &n->p.log, &f, heights);
    if (r == VKD_OK)
        *out = (struct vkd_filter_diversity) {
            .mean_cos = f.mean_cos, .max_cos = f.max_cos, .orthogonality = f.orthogonality,
            .z = f.mean_cos * sqrt(w->cols), .effective_rank = f.effective_rank,
        };
    return r;
}

void vkd__count_clusters(const vkd_filter_nulls *n, const double *heights, uint32_t filters, double calibrated,
                         struct vkd_filter_diversity *out)
{
    const uint32_t count = n->p.threshold_count;
    for (uint32_t i = 0; i < count; i++)
        out->clusters[i] = vkd_cluster_count(heights, filters, n->p.thresholds[i]);
    out->clusters[count] = isnan(calibrated) ? NAN : vkd_cluster_count(heights, filters, calibrated);
}

void vkd__add_values(void *to, const void *from, uint32_t count, double share)
{
    double sum, x;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&sum, (const char *) to + i * sizeof(sum), sizeof(sum));
        memcpy(&x, (const char *) from + i * sizeof(x), sizeof(x));
        sum += share * x;
        memcpy((char *) to + i * sizeof(sum), &sum, sizeof(sum));
    }
}

// Draws and measures random filters; heights has room for draws * filters.
static vkd_result measure_null(const vkd_filter_nulls *n, float *data, double *heights, struct vkd__filter_null *out)
{
    const struct vkd_matrix w = { data, out->filters, out->fan_in, 0 };
    const uint32_t draws = n->p.draws;
    struct vkd_filter_diversity all[VKD__DRAWS_MAX];
    vkd_result r = VKD_OK;
    out->calibrated = out->filters > 1 ? 0 : NAN;
    for (uint32_t d = 0; r == VKD_OK && d < draws; d++) {
        double *own = heights + (uint64_t) d * out->filters;
        fill_normal(data, out->filters, out->fan_in, n->p.seed, d);
        r = measure_plain(n, &w, own, &all[d]);
        if (r == VKD_OK && out->filters > 1)
            out->calibrated += own[out->filters / LOST] / draws;
    }
    for (uint32_t d = 0; r == VKD_OK && d < draws; d++) {
        vkd__count_clusters(n, heights + (uint64_t) d * out->filters, out->filters, out->calibrated, &all[d]);
        vkd__add_values(&out->value, &all[d], MEASURES, 1.0 / draws);
    }
    return r;
}

// The null of a shape, measured once.
static vkd_result find_null(vkd_filter_nulls *n, uint32_t filters, uint32_t fan_in, const struct vkd__filter_null **out)
{
    for (const struct vkd__filter_null *k = n->known; k; k = k->next)
        if (k->filters == filters && k->fan_in == fan_in) {
            *out = k;
            return VKD_OK;
        }
    struct vkd__filter_null *made = calloc(1, sizeof(*made));
    float *data = malloc((uint64_t) filters * fan_in * sizeof(*data));
    double *heights = malloc((uint64_t) filters * n->p.draws * sizeof(*heights));
    vkd_result r = VKD_NO_MEMORY;
    if (made && data && heights) {
        made->filters = filters;
        made->fan_in = fan_in;
        r = measure_null(n, data, heights, made);
    }
    free(heights);
    free(data);
    if (r < 0) {
        free(made);
        return r;
    }
    made->next = n->known;
    *out = n->known = made;
    return VKD_OK;
}

// How many filters are dead; *living is then a malloc'd copy of the others, else NULL.
static vkd_result leave_out_dead(const struct vkd_matrix *w, uint32_t *dead, float **living)
{
    const uint32_t stride = w->stride ? w->stride : w->cols;
    float *copy = malloc(((uint64_t) w->rows * w->cols + 1) * sizeof(*copy));
    uint32_t kept = 0;
    if (!copy)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < w->rows; i++) {
        const float *row = w->data + (uint64_t) i * stride;
        uint32_t c = 0;
        while (c < w->cols && row[c] == 0)
            c++;
        if (c < w->cols)
            memcpy(copy + (uint64_t) w->cols * kept++, row, w->cols * sizeof(*row));
    }
    *dead = w->rows - kept;
    *living = *dead ? copy : NULL;
    if (!*dead)
        free(copy);
    return VKD_OK;
}

vkd_result vkd__measure_living(const vkd_filter_nulls *n, const struct vkd_matrix *w, uint32_t *dead, double **heights,
                               struct vkd_filter_diversity *out)
{
    struct vkd_filter_diversity f = { .mean_cos = NAN, .max_cos = NAN, .orthogonality = NAN, .z = NAN };
    double *h = calloc((uint64_t) w->rows + 1, sizeof(*h));
    struct vkd_matrix m = *w;
    float *living = NULL;
    uint32_t count = 0;
    vkd_result r = h ? leave_out_dead(w, &count, &living) : VKD_NO_MEMORY;
    if (living)
        m = (struct vkd_matrix) { living, w->rows - count, w->cols, 0 };
    if (r == VKD_OK && m.rows)
        r = measure_plain(n, &m, h, &f);
    free(living);
    if (r < 0) {
        free(h);
        return r;
    }
    *dead = count;
    *heights = h;
    *out = f;
    return VKD_OK;
}

vkd_result vkd_layer_measure(vkd_filter_nulls *nulls, const struct vkd_matrix *w, struct vkd_layer_diversity *out)
{
    struct vkd_layer_diversity l = { .filters = w->rows, .fan_in = w->cols };
    const struct vkd__filter_null *null = NULL;
    double *heights = NULL;
    vkd_result r = vkd__measure_living(nulls, w, &l.dead, &heights, &l.found);
    if (r == VKD_OK)
        r = find_null(nulls, w->rows, w->cols, &null);
    if (r == VKD_OK) {
        l.calibrated = null->calibrated;
        l.null = null->value;
        vkd__count_clusters(nulls, heights, l.filters - l.dead, l.calibrated, &l.found);
        *out = l;
    }
    free(heights);
    return r;
}

// ---- A model ----------------------------------------------------------------------------------

static enum vkd_layer_kind kind_of(const struct vkd__file_layer *l)
{
    if (l->linear)
        return VKD_LAYER_LINEAR;
    if (l->depthwise)
        return VKD_LAYER_DEPTHWISE;
    if (l->kernel[0] == 3 && l->kernel[1] == 3)
        return VKD_LAYER_3X3;
    return l->kernel[0] == 1 && l->kernel[1] == 1 ? VKD_LAYER_1X1 : VKD_LAYER_OTHER;
}

// Multiplies each row by its batch norm's scale.
static vkd_result fold(const struct vkd__model_file *m, const struct vkd__file_layer *l, const struct vkd_log *log, float *w)
{
    const struct vkd__st_tensor *gamma = vkd__model_file_find(m, l->norm, "weight");
    const struct vkd__st_tensor *var = vkd__model_file_find(m, l->norm, "running_var");
    if (!gamma || !var || gamma->numel != l->filters || var->numel != l->filters) {
        vkd_log_write(log, VKD_LOG_ERROR, "%.200s: %s cannot be folded: its batch norm %s is missing or of another size",
                      m->path, l->name, l->norm);
        return VKD_FORMAT;
    }
    for (uint32_t k = 0; k < l->filters; k++) {
        float g = 0, v = 0;
        vkd__st_floats(gamma, k, 1, &g);
        vkd__st_floats(var, k, 1, &v);
        double scale = g / sqrt(v + NORM_EPS);
        for (uint32_t c = 0; c < l->fan_in; c++)
            w[(uint64_t) k * l->fan_in + c] = (float) (scale * w[(uint64_t) k * l->fan_in + c]);
    }
    return VKD_OK;
}

// The layer's filters: malloc'd.
static vkd_result read_filters(const struct vkd__model_file *m, const struct vkd__file_layer *l,
                               const struct vkd_diversity_params *p, float **out)
{
    const uint64_t count = (uint64_t) l->filters * l->fan_in;
    float *w = malloc((count + 1) * sizeof(*w));
    vkd_result r = VKD_OK;
    if (!w)
        return VKD_NO_MEMORY;
    vkd__st_floats(l->weight, 0, count, w);
    if (p->fold_norm && l->norm)
        r = fold(m, l, &p->log, w);
    if (r < 0)
        free(w);
    else
        *out = w;
    return r;
}

static vkd_result measure_layers(vkd_filter_nulls *nulls, const struct vkd__model_file *m,
                                 const struct vkd_diversity_params *p, struct vkd_diversity *d)
{
    uint64_t dead = 0;
    for (uint32_t i = 0; i < m->layer_count; i++) {
        const struct vkd__file_layer *l = &m->layers[i];
        struct vkd_layer_diversity *out = &d->layers[d->layer_count];
        float *w = NULL;
        if (!l->weight)
            continue;
        if (p->stop && p->stop(p->user))
            return VKD_INTERRUPTED;
        if (p->progress)
            p->progress(p->user, i, m->layer_count);
        vkd_result r = read_filters(m, l, p, &w);
        if (r == VKD_OK)
            r = vkd_layer_measure(nulls, &(struct vkd_matrix) { w, l->filters, l->fan_in, 0 }, out);
        free(w);
        if (r < 0)
            return r;
        snprintf(out->name, sizeof(out->name), "%s", l->name);
        out->kind = kind_of(l);
        dead += out->dead;
        d->layer_count++;
    }
    if (dead)
        vkd_log_write(&p->log, VKD_LOG_WARNING, "%.200s: %llu filter%s dead (all weights 0): without a direction, in no pair "
                      "and no cluster", m->path, (unsigned long long) dead, dead == 1 ? " is" : "s are");
    return VKD_OK;
}

// ---- Means over layers ------------------------------------------------------------------------

// A layer's measures with ranks and clusters as shares of what they can be at most.
static void shares(const struct vkd_layer_diversity *l, const struct vkd_filter_diversity *x, double out[MEASURES])
{
    struct vkd_filter_diversity s = *x;
    s.effective_rank /= l->filters < l->fan_in ? l->filters : l->fan_in;
    for (uint32_t i = 0; i <= VKD_THRESHOLDS_MAX; i++)
        s.clusters[i] /= l->filters;
    memcpy(out, &s, sizeof(s));
}

static void mean_of_kind(const struct vkd_diversity *d, enum vkd_layer_kind kind, struct vkd_kind_diversity *out)
{
    double sum[2][MEASURES] = { { 0 } }, weight[MEASURES] = { 0 }, of[2][MEASURES];
    *out = (struct vkd_kind_diversity) { .layers = 0 };
    for (uint32_t i = 0; i < d->layer_count; i++) {
        const struct vkd_layer_diversity *l = &d->layers[i];
        if (l->kind != kind)
            continue;
        out->layers++;
        out->filters += l->filters;
        out->dead += l->dead;
        shares(l, &l->found, of[0]);
        shares(l, &l->null, of[1]);
        for (uint32_t k = 0; k < MEASURES; k++) {
            if (isnan(of[0][k]) || isnan(of[1][k]))
                continue;
            weight[k] += l->filters;
            sum[0][k] += l->filters * of[0][k];
            sum[1][k] += l->filters * of[1][k];
        }
    }
    for (uint32_t k = 0; k < MEASURES; k++)
        for (uint32_t s = 0; s < 2; s++)
            sum[s][k] = weight[k] > 0 ? sum[s][k] / weight[k] : NAN;
    memcpy(&out->found, sum[0], sizeof(out->found));
    memcpy(&out->null, sum[1], sizeof(out->null));
}

vkd_result vkd_diversity_measure(vkd_filter_nulls *nulls, const struct vkd_diversity_params *p, struct vkd_diversity *out)
{
    struct vkd__model_file m;
    vkd_result r = vkd__model_file_open(p->path, p->partial, &p->log, &m);
    if (r < 0)
        return r;
    r = vkd__model_file_finite(&m, &p->log);
    if (r < 0) {
        vkd__model_file_close(&m);
        return r;
    }
    struct vkd_diversity d = {
        .model = m.info, .told = m.told, .timm = m.timm, .folded = p->fold_norm, .missing = m.missing,
        .threshold_count = nulls->p.threshold_count, .layers = calloc(m.layer_count + 1u, sizeof(*d.layers)),
    };
    memcpy(d.thresholds, nulls->p.thresholds, sizeof(d.thresholds));
    r = d.layers ? measure_layers(nulls, &m, p, &d) : VKD_NO_MEMORY;
    if (r == VKD_OK && !d.layer_count) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "%.200s: no convolution and no linear layer fits", m.path);
        r = VKD_FORMAT;
    }
    for (uint32_t k = 0; r == VKD_OK && k < VKD_LAYER_KIND_COUNT; k++)
        mean_of_kind(&d, (enum vkd_layer_kind) k, &d.kinds[k]);
    vkd__model_file_close(&m);
    if (r < 0)
        vkd_diversity_finish(&d);
    else
        *out = d;
    return r;
}

void vkd_diversity_finish(struct vkd_diversity *d)
{
    free(d->layers);
    *d = (struct vkd_diversity) { .layers = NULL };
}
