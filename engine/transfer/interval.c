// interval.c -- how far a result's value may be from that of all images there could be.
#include "transfer_impl.h"

#include "../measure/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- Shares right -----------------------------------------------------------------------------

struct resampled {
    const struct vkd_transfer_result *r;
    uint32_t *total, *right;            // by class
};

static void top1(void *user, const uint32_t *indices, uint32_t count, double *value)
{
    const struct resampled *s = user;
    uint32_t known = 0, right = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t label = s->r->labels[indices[i]];
        known += label != VKD_NO_LABEL;
        right += label != VKD_NO_LABEL && s->r->predictions[indices[i]] == label;
    }
    *value = known ? (double) right / known : NAN;
}

static void mean_per_class(void *user, const uint32_t *indices, uint32_t count, double *value)
{
    const struct resampled *s = user;
    double sum = 0;
    uint32_t classes = 0;
    memset(s->total, 0, s->r->classes * sizeof(*s->total));
    memset(s->right, 0, s->r->classes * sizeof(*s->right));
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t label = s->r->labels[indices[i]];
        if (label == VKD_NO_LABEL)
            continue;
        s->total[label]++;
        s->right[label] += s->r->predictions[indices[i]] == label;
    }
    for (uint32_t c = 0; c < s->r->classes; c++) {
        sum += s->total[c] ? (double) s->right[c] / s->total[c] : 0;
        classes += s->total[c] > 0;
    }
    *value = classes ? sum / classes : NAN;
}

static vkd_result of_shares(const struct vkd__transfer *t, const struct vkd_transfer_result *r, struct vkd_interval *out)
{
    const struct vkd_resample_params p = { .seed = t->p.seed, .log = t->log, .stop = t->p.stop, .user = t->p.user };
    struct resampled s = { .r = r, .total = calloc(2ull * r->classes + 1, sizeof(*s.total)) };
    if (!s.total)
        return VKD_NO_MEMORY;
    s.right = s.total + r->classes;
    vkd_result res = vkd_bootstrap_clusters(t->metric == VKD__METRIC_TOP1 ? top1 : mean_per_class, &s, r->groups, r->test, 1,
                                            &p, out);
    free(s.total);
    return res;
}

// ---- Average precisions -----------------------------------------------------------------------

enum { HALVES = 2000 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

// Linear between order statistics.
static double quantile(const double *sorted, uint32_t count, double q)
{
    const double at = q * (count - 1);
    const uint32_t low = (uint32_t) at;
    return low + 1 < count ? sorted[low] + (at - low) * (sorted[low + 1] - sorted[low]) : sorted[count - 1];
}

// count[i] = 1 of the images of half of the groups, which are `firsts` in any order; of an odd number one more each other
// time.
static void draw_half(const struct vkd_transfer_result *r, uint64_t seed, uint32_t draw, uint32_t *firsts, uint32_t groups,
                      uint32_t *count)
{
    struct vkd__draws d = vkd__draws_begin(seed, VKD_STREAM_RESAMPLE, draw);
    memset(count, 0, r->test * sizeof(*count));
    for (uint32_t i = 0; i < (groups + draw % 2) / 2; i++) {
        const uint32_t k = i + vkd__draw_below(&d, groups - i), first = firsts[k];
        firsts[k] = firsts[i];
        firsts[i] = first;
        count[first] = 1;
    }
    for (uint32_t i = 0; r->groups && i < r->test; i++)
        count[i] = count[r->groups[i]];
}

// The value of each half that has one, and of all.
static vkd_result resample_halves(const struct vkd__transfer *t, const struct vkd_transfer_result *r,
                                  const struct vkd__ranking *ranking, enum vkd__ap kind, double *values, uint32_t *found,
                                  double *all)
{
    uint32_t *count = malloc(r->test * sizeof(*count) + 1), *firsts = malloc(r->test * sizeof(*firsts) + 1), groups = 0;
    vkd_result res = count && firsts ? VKD_OK : VKD_NO_MEMORY;
    for (uint32_t i = 0; res == VKD_OK && i < r->test; i++) {
        count[i] = 1;
        if (!r->groups || r->groups[i] == i)
            firsts[groups++] = i;
    }
    *found = 0;
    *all = res == VKD_OK ? vkd__ranking_map(ranking, count, kind) : NAN;
    for (uint32_t b = 0; res == VKD_OK && b < HALVES; b++) {
        if (t->p.stop && t->p.stop(t->p.user)) {
            res = VKD_INTERRUPTED;
            break;
        }
        draw_half(r, t->p.seed, b, firsts, groups, count);
        values[*found] = vkd__ranking_map(ranking, count, kind);
        *found += !isnan(values[*found]);
    }
    free(count);
    free(firsts);
    return res;
}

// `value` and how far `a` is from `middle`, in log-odds.
static double shifted(double value, double a, double middle, uint32_t count)
{
    return 1 / (1 + exp(vkd_log_odds(middle, count) - vkd_log_odds(a, count) - vkd_log_odds(value, count)));
}

static vkd_result of_precisions(const struct vkd__transfer *t, const struct vkd_transfer_result *r, struct vkd_interval *out)
{
    const enum vkd__ap kind = t->metric == VKD__METRIC_MAP11 ? VKD__AP_VOC11 : VKD__AP_OTHERS;
    struct vkd__ranking *ranking = NULL;
    double *values = malloc((HALVES + 1) * sizeof(*values)), all = NAN;
    uint32_t found = 0;
    vkd_result res = values ? vkd__ranking_create(r->scores, r->truth, r->test, r->classes, &ranking) : VKD_NO_MEMORY;
    if (res == VKD_OK)
        res = resample_halves(t, r, ranking, kind, values, &found, &all);
    if (res == VKD_OK) {
        *out = (struct vkd_interval) { .value = r->value, .low = NAN, .high = NAN, .resamples = found };
        if (2 * found >= HALVES) {
            qsort(values, found, sizeof(*values), ascending);
            const double low = quantile(values, found, .025), high = quantile(values, found, .975);
            const double middle = quantile(values, found, .5);
            out->low = kind == VKD__AP_VOC11 ? shifted(all, low, middle, r->test) : fmax(2 * all - high, 0);
            out->high = kind == VKD__AP_VOC11 ? shifted(all, high, middle, r->test) : fmin(2 * all - low, 1);
        }
    }
    vkd__ranking_destroy(&ranking);
    free(values);
    return res;
}

vkd_result vkd__transfer_interval(const struct vkd__transfer *t, const struct vkd_transfer_result *r, struct vkd_interval *out)
{
    vkd_result res = r->multi_label ? of_precisions(t, r, out) : of_shares(t, r, out);
    if (res < 0 || isnan(out->low))
        return res;
    out->low = fmin(out->low, r->value);
    out->high = fmax(out->high, r->value);
    return VKD_OK;
}
