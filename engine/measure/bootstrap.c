// bootstrap.c -- percentile intervals: of examples, or of clusters of them.
#include "matrix.h"
#include "resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 2000 };

vkd_result vkd__resample_check(const char *call, struct vkd_resample_params *p, uint32_t count)
{
    if (p->confidence == 0)
        p->confidence = 0.95;
    if (!p->count)
        p->count = count;
    if (p->confidence > 0 && p->confidence < 1)
        return VKD_OK;
    vkd_log_write(&p->log, VKD_LOG_ERROR, "%s: confidence must be above 0 and below 1, found %g", call, p->confidence);
    return VKD_INVALID;
}

vkd_result vkd__values_check(const char *call, const char *name, const double *values, uint32_t count,
                             const struct vkd_log *log)
{
    if (!count || !values) {
        vkd_log_write(log, VKD_LOG_ERROR, "%s: %s must have one value or more, found %s", call, name,
                      count ? "no data" : "none");
        return VKD_INVALID;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            vkd_log_write(log, VKD_LOG_ERROR, "%s: %s must be finite, number %u is %g; leave out examples without "
                          "a value", call, name, i, values[i]);
            return VKD_INVALID;
        }
    }
    return VKD_OK;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

// Of sorted values, linear between them.
static double quantile(const double *sorted, uint32_t count, double q)
{
    double at = q * (count - 1);
    uint32_t low = (uint32_t) at;
    return low + 1 < count ? sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]) : sorted[count - 1];
}

// The resamples' values of one metric, `stride` apart, to its interval; `sorted` has room for them.
static void take_interval(const double *values, uint32_t stride, const struct vkd_resample_params *p, double *sorted,
                          struct vkd_interval *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->count; i++)
        if (!isnan(values[(uint64_t) i * stride]))
            sorted[n++] = values[(uint64_t) i * stride];
    out->resamples = n;
    out->low = out->high = NAN;
    if (2 * (uint64_t) n < p->count || !n)
        return;
    qsort(sorted, n, sizeof(*sorted), ascending);
    out->low = quantile(sorted, n, (1 - p->confidence) / 2);
    out->high = quantile(sorted, n, (1 + p->confidence) / 2);
}

// ---- Clusters ----

// Examples by cluster: those of cluster c are order[first[c]] ... order[first[c + 1] - 1].
struct groups {
    uint32_t count;
    uint32_t *order, *first;
};

struct member {
    uint32_t cluster, example;
};

static int by_cluster(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->cluster != y->cluster)
        return x->cluster < y->cluster ? -1 : 1;
    return (x->example > y->example) - (x->example < y->example);
}

// `clusters` NULL: each example is one.
static bool groups_make(const uint32_t *clusters, uint32_t examples, struct groups *out)
{
    struct member *members = vkd__measure_alloc(examples, 1, sizeof(*members));
    *out = (struct groups) {
        .order = vkd__measure_alloc(examples, 1, sizeof(uint32_t)),
        .first = vkd__measure_alloc(examples + 1ull, 1, sizeof(uint32_t)),
    };
    bool ok = members && out->order && out->first;
    for (uint32_t i = 0; ok && i < examples; i++)
        members[i] = (struct member) { clusters ? clusters[i] : i, i };
    if (ok)
        qsort(members, examples, sizeof(*members), by_cluster);
    for (uint32_t i = 0; ok && i < examples; i++) {
        if (!i || members[i].cluster != members[i - 1].cluster)
            out->first[out->count++] = i;
        out->order[i] = members[i].example;
    }
    if (ok)
        out->first[out->count] = examples;
    free(members);
    return ok;
}

static void groups_free(struct groups *g)
{
    free(g->first);
    free(g->order);
}

// Draws clusters into `indices`, which has room for the largest resample; returns the number of examples.
static uint32_t draw(const struct groups *g, const struct vkd_resample_params *p, uint32_t resample, uint32_t *indices)
{
    struct vkd__draws d = vkd__draws_begin(p->seed, VKD_STREAM_RESAMPLE, resample);
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        uint32_t c = vkd__draw_below(&d, g->count);
        for (uint32_t k = g->first[c]; k < g->first[c + 1]; k++)
            indices[n++] = g->order[k];
    }
    return n;
}

// ---- The whole ----

static uint64_t largest_resample(const struct groups *g)
{
    uint32_t most = 0;
    for (uint32_t c = 0; c < g->count; c++)
        most = g->first[c + 1] - g->first[c] > most ? g->first[c + 1] - g->first[c] : most;
    return (uint64_t) most * g->count;
}

static vkd_result resample(vkd_metric *metric, void *user, const struct groups *g, uint32_t examples, uint32_t outs,
                           const struct vkd_resample_params *p, struct vkd_interval *out)
{
    const uint64_t room = largest_resample(g);
    uint32_t *indices = room <= UINT32_MAX ? vkd__measure_alloc(room, 1, sizeof(*indices)) : NULL;
    double *values = vkd__measure_alloc((uint64_t) p->count + 1, outs, sizeof(*values));
    double *sorted = vkd__measure_alloc(p->count, 1, sizeof(*sorted));
    vkd_result r = indices && values && sorted ? VKD_OK : vkd__measure_memory("bootstrap", "the resamples", &p->log);
    for (uint32_t b = 0; r == VKD_OK && b < p->count; b++) {
        if (p->stop && p->stop(p->user))
            r = VKD_INTERRUPTED;
        else
            metric(user, indices, draw(g, p, b, indices), values + (uint64_t) b * outs);
    }
    if (r == VKD_OK) {
        double *whole = values + (uint64_t) p->count * outs;
        for (uint32_t i = 0; i < examples; i++)
            indices[i] = i;
        metric(user, indices, examples, whole);
        for (uint32_t k = 0; k < outs; k++) {
            out[k].value = whole[k];
            take_interval(values + k, outs, p, sorted, &out[k]);
        }
    }
    free(sorted);
    free(values);
    free(indices);
    return r;
}

vkd_result vkd_bootstrap_clusters(vkd_metric *metric, void *metric_user, const uint32_t *clusters, uint32_t examples,
                                  uint32_t outs, const struct vkd_resample_params *p, struct vkd_interval *out)
{
    struct vkd_resample_params with = *p;
    struct groups g;
    vkd_result r = vkd__resample_check("bootstrap", &with, RESAMPLES);
    if (r == VKD_OK && (!examples || !outs || !metric)) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "bootstrap: expected one example and one value or more, found %u and %u",
                      examples, outs);
        r = VKD_INVALID;
    }
    if (r < 0)
        return r;
    if (groups_make(clusters, examples, &g))
        r = resample(metric, metric_user, &g, examples, outs, &with, out);
    else
        r = vkd__measure_memory("bootstrap", "the clusters", &p->log);
    groups_free(&g);
    return r;
}

vkd_result vkd_bootstrap_metric(vkd_metric *metric, void *metric_user, uint32_t examples, uint32_t outs,
                                const struct vkd_resample_params *p, struct vkd_interval *out)
{
    return vkd_bootstrap_clusters(metric, metric_user, NULL, examples, outs, p, out);
}

static void mean(void *user, const uint32_t *indices, uint32_t count, double *values)
{
    const double *of = user;
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += of[indices[i]];
    values[0] = sum / count;
}

vkd_result vkd_bootstrap_mean(const double *values, uint32_t count, const struct vkd_resample_params *p,
                              struct vkd_interval *out)
{
    vkd_result r = vkd__values_check("bootstrap of a mean", "values", values, count, &p->log);
    return r == VKD_OK ? vkd_bootstrap_metric(mean, (void *) (uintptr_t) values, count, 1, p, out) : r;
}
