// score.c -- metrics of a result, their intervals, and whether two results differ.
#include "transfer_impl.h"

#include "../../shaders/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAP_DRAWS = 999 };           // of the permutation test of mean average precisions

static const char *const metric_names[VKD__METRIC_COUNT] = { "top1", "mean_per_class", "map", "map11" };

const char *vkd__metric_name(enum vkd__metric m)
{
    return metric_names[m];
}

const char *vkd_transfer_metric_at(uint32_t index)
{
    return index < VKD__METRIC_COUNT ? metric_names[index] : NULL;
}

vkd_result vkd__metric_value(const struct vkd__transfer *t, const struct vkd__table *of, const uint32_t *predictions,
                             const float *scores, double *out)
{
    struct vkd_accuracy a;
    struct vkd_map m;
    if (!t->sets.multi_label) {
        vkd_result r = vkd_accuracy_measure(predictions, of->labels, of->rows, t->sets.classes, &t->log, NULL, &a);
        if (r == VKD_OK)
            *out = t->metric == VKD__METRIC_TOP1 ? a.top1 : a.mean_per_class;
        return r;
    }
    vkd_result r = vkd_average_precision(&(struct vkd_matrix) { scores, of->rows, t->sets.classes, 0 }, of->truth, &t->log,
                                         NULL, &m);
    if (r == VKD_OK)
        *out = t->metric == VKD__METRIC_MAP ? m.plain : m.voc11;
    return r;
}

static vkd_result score_labels(const struct vkd__transfer *t, struct vkd_transfer_result *r, uint32_t *count)
{
    struct vkd_accuracy a;
    vkd_result res = vkd_accuracy_measure(r->predictions, r->labels, r->test, r->classes, &t->log, r->per_class, &a);
    if (res < 0)
        return res;
    *count = a.count;
    r->top1 = a.top1;
    r->mean_per_class = a.mean_per_class;
    r->value = t->metric == VKD__METRIC_TOP1 ? a.top1 : a.mean_per_class;
    return VKD_OK;
}

static vkd_result score_truth(const struct vkd__transfer *t, struct vkd_transfer_result *r)
{
    struct vkd_map m;
    struct vkd_ap *ap = calloc(r->classes + 1u, sizeof(*ap));
    if (!ap)
        return VKD_NO_MEMORY;
    vkd_result res = vkd_average_precision(&(struct vkd_matrix) { r->scores, r->test, r->classes, 0 }, r->truth, &t->log, ap, &m);
    for (uint32_t c = 0; res == VKD_OK && c < r->classes; c++)
        r->per_class[c] = t->metric == VKD__METRIC_MAP ? ap[c].plain : ap[c].voc11;
    free(ap);
    if (res < 0)
        return res;
    r->map = m.plain;
    r->map11 = m.voc11;
    r->map_voc = m.voc_all;
    r->value = t->metric == VKD__METRIC_MAP ? m.plain : m.voc11;
    return VKD_OK;
}

vkd_result vkd__transfer_score(const struct vkd__transfer *t, struct vkd_transfer_result *r)
{
    uint32_t count = r->test;
    struct vkd_interval i = { .low = NAN, .high = NAN };
    r->top1 = r->mean_per_class = r->map = r->map11 = r->map_voc = NAN;
    free(r->per_class);
    r->per_class = malloc((r->classes + 1u) * sizeof(*r->per_class));
    if (!r->per_class)
        return VKD_NO_MEMORY;
    vkd_result res = r->multi_label ? score_truth(t, r) : score_labels(t, r, &count);
    if (res < 0)
        return res;
    if (isnan(r->value)) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "%.300s: none of the %u test images has a label that can be compared", t->p.data,
                      r->test);
        return VKD_INVALID;
    }
    vkd__transfer_tell(t, "interval", 0, 1);
    res = vkd__transfer_interval(t, r, &i);
    r->low = i.low;
    r->high = i.high;
    r->log_odds = vkd_log_odds(r->value, count);
    return res;
}

// ---- Two results ------------------------------------------------------------------------------

static bool equal_texts(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

static vkd_result check_comparable(const struct vkd_transfer_result *a, const struct vkd_transfer_result *b,
                                   const struct vkd_log *log)
{
    if (!equal_texts(a->text, b->text) || strcmp(a->metric, b->metric)) {
        vkd_log_write(log, VKD_LOG_ERROR, "results of different protocols are not compared: \"%.380s\" and \"%.380s\"",
                      a->text ? a->text : "", b->text ? b->text : "");
        return VKD_INVALID;
    }
    if (a->fingerprint != b->fingerprint || a->test != b->test || a->classes != b->classes || a->multi_label != b->multi_label) {
        vkd_log_write(log, VKD_LOG_ERROR, "results of different images are not compared: %.200s (%016llx) and %.200s (%016llx)",
                      a->data, (unsigned long long) a->fingerprint, b->data, (unsigned long long) b->fingerprint);
        return VKD_INVALID;
    }
    bool both = a->multi_label ? a->scores && a->truth && b->scores && b->truth
                               : a->labels && a->predictions && b->labels && b->predictions;
    if (!both)
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: what it said of each image is missing: transfer again with --force",
                      (a->multi_label ? a->scores != NULL : a->predictions != NULL) ? b->model : a->model);
    return both ? VKD_OK : VKD_INVALID;
}

static bool is_common(const struct vkd_transfer_result *a, const struct vkd_transfer_result *b, uint32_t i)
{
    return a->labels[i] != VKD_NO_LABEL && a->labels[i] == b->labels[i];
}

static vkd_result refuse_strangers(const struct vkd_transfer_result *a, const struct vkd_transfer_result *b,
                                   const struct vkd_log *log)
{
    vkd_log_write(log, VKD_LOG_ERROR, "%.300s and %.300s cannot be compared: there is no test image of which both know enough",
                  a->model, b->model);
    return VKD_INVALID;
}

// Each image's part in the difference: right or wrong, for the mean over classes by the rarity of its class. Images that
// one of them could not read are left out of both.
static vkd_result compare_predictions(const struct vkd_transfer_result *a, const struct vkd_transfer_result *b, uint64_t seed,
                                      const struct vkd_log *log, struct vkd_transfer_comparison *out)
{
    const bool classes_alike = !strcmp(a->metric, metric_names[VKD__METRIC_MEAN_PER_CLASS]);
    struct vkd_permutation found;
    // By group: its number is its first image's, and its images change sides together.
    double *x = calloc(2ull * a->test + 1, sizeof(*x)), *y = x + a->test;
    uint32_t *sizes = calloc(a->classes + 1u, sizeof(*sizes)), common = 0, classes = 0, n = 0;
    bool *there = calloc(a->test + 1u, sizeof(*there));
    vkd_result r = x && sizes && there ? VKD_OK : VKD_NO_MEMORY;
    for (uint32_t i = 0; r == VKD_OK && i < a->test; i++) {
        if (!is_common(a, b, i))
            continue;
        common++;
        classes += !sizes[a->labels[i]]++;
    }
    if (r == VKD_OK && !common)
        r = refuse_strangers(a, b, log);
    for (uint32_t i = 0; r == VKD_OK && i < a->test; i++) {
        const uint32_t label = a->labels[i], group = a->groups ? a->groups[i] : i;
        if (!is_common(a, b, i))
            continue;
        double weight = classes_alike ? (double) common / ((double) classes * sizes[label]) : 1;
        x[group] += a->predictions[i] == label ? weight : 0;
        y[group] += b->predictions[i] == label ? weight : 0;
        there[group] = true;
    }
    for (uint32_t i = 0; r == VKD_OK && i < a->test; i++) {
        if (!there[i])
            continue;
        x[n] = x[i];
        y[n++] = y[i];
    }
    if (r == VKD_OK)
        r = vkd_permutation_paired(x, y, n, &(struct vkd_resample_params) { .seed = seed, .log = *log }, &found);
    if (r == VKD_OK)
        *out = (struct vkd_transfer_comparison) { found.statistic * n / common, found.p,
                                                  (uint32_t) (found.permutations < UINT32_MAX ? found.permutations : UINT32_MAX) };
    free(x);
    free(sizes);
    free(there);
    return r;
}

struct ranked { float score; uint32_t row; };

static int by_ascending_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return (x->score > y->score) - (x->score < y->score);
}

// Scores become ranks, equal ones the mean of theirs: two models' scores need not be of one scale.
static vkd_result to_ranks(const float *scores, uint32_t rows, uint32_t classes, float *ranks)
{
    struct ranked *list = malloc((rows + 1u) * sizeof(*list));
    if (!list)
        return VKD_NO_MEMORY;
    for (uint32_t c = 0; c < classes; c++) {
        for (uint32_t i = 0; i < rows; i++)
            list[i] = (struct ranked) { scores[(uint64_t) i * classes + c], i };
        qsort(list, rows, sizeof(*list), by_ascending_score);
        for (uint32_t first = 0, n; first < rows; first += n) {
            for (n = 1; first + n < rows && list[first + n].score == list[first].score; n++)
                ;
            for (uint32_t i = 0; i < n; i++)
                ranks[(uint64_t) list[first + i].row * classes + c] = (float) first + (float) (n - 1) / 2;
        }
    }
    free(list);
    return VKD_OK;
}

// The difference when image i's ranks change sides where its bit of draw `draw` is set, or that of its group's first image;
// draw 0 changes none.
static double swapped_difference(const struct vkd__ranking *both, uint32_t rows, const uint32_t *groups, enum vkd__ap kind,
                                 uint64_t seed, uint32_t draw, uint32_t *count)
{
    const u32 key[2] = { (u32) seed, (u32) (seed >> 32) };
    u32 words[4] = { 0 };
    for (uint32_t i = 0; i < rows; i++) {
        if (draw && i % 128 == 0) {
            words[0] = VKD_STREAM_PERMUTE, words[1] = i / 128, words[2] = draw, words[3] = 1;
            vkd_philox(words, key);
        }
        const uint32_t own = words[i % 128 / 32] >> i % 32 & 1;
        const uint32_t swap = groups && groups[i] != i ? count[rows + groups[i]] : own;
        count[i] = count[3 * (uint64_t) rows + i] = !swap;          // a's side; then b's
        count[rows + i] = count[2 * (uint64_t) rows + i] = swap;
    }
    return vkd__ranking_map(both, count, kind) - vkd__ranking_map(both, count + 2 * (uint64_t) rows, kind);
}

// One ranking of both models' ranks: images 0 ... rows - 1 are a's, the rest b's.
static vkd_result rank_both(const struct vkd_transfer_result *a, const struct vkd_transfer_result *b, struct vkd__ranking **out)
{
    const uint64_t size = (uint64_t) a->test * a->classes;
    float *ranks = malloc((2 * size + 1) * sizeof(*ranks));
    int8_t *truth = malloc(2 * size + 1);
    vkd_result r = ranks && truth ? VKD_OK : VKD_NO_MEMORY;
    for (uint64_t i = 0; r == VKD_OK && i < size; i++) {
        bool known = a->truth[i] == b->truth[i];
        truth[i] = truth[size + i] = known ? a->truth[i] : VKD_TRUTH_UNKNOWN;
    }
    if (r == VKD_OK)
        r = to_ranks(a->scores, a->test, a->classes, ranks);
    if (r == VKD_OK)
        r = to_ranks(b->scores, b->test, b->classes, ranks + size);
    if (r == VKD_OK)
        r = vkd__ranking_create(ranks, truth, 2 * a->test, a->classes, out);
    free(ranks);
    free(truth);
    return r;
}

static vkd_result compare_scores(const struct vkd_transfer_result *a, const struct vkd_transfer_result *b, uint64_t seed,
                                 const struct vkd_log *log, struct vkd_transfer_comparison *out)
{
    const enum vkd__ap kind = !strcmp(a->metric, metric_names[VKD__METRIC_MAP11]) ? VKD__AP_VOC11 : VKD__AP_PLAIN;
    struct vkd__ranking *both = NULL;
    uint32_t *count = malloc((4ull * a->test + 1) * sizeof(*count)), far = 0;
    vkd_result r = count ? rank_both(a, b, &both) : VKD_NO_MEMORY;
    const double found = r == VKD_OK ? swapped_difference(both, a->test, a->groups, kind, seed, 0, count) : 0;
    if (isnan(found))
        r = refuse_strangers(a, b, log);
    for (uint32_t draw = 1; r == VKD_OK && draw <= MAP_DRAWS; draw++)
        far += fabs(swapped_difference(both, a->test, a->groups, kind, seed, draw, count)) >= fabs(found) - 1e-12;
    if (r == VKD_OK)
        *out = (struct vkd_transfer_comparison) { found, (far + 1.0) / (MAP_DRAWS + 1.0), MAP_DRAWS };
    vkd__ranking_destroy(&both);
    free(count);
    return r;
}

vkd_result vkd__compare_outcomes(const struct vkd_transfer_result *a, const struct vkd_transfer_result *b, uint64_t seed,
                                 const struct vkd_log *log, struct vkd_transfer_comparison *out)
{
    return a->multi_label ? compare_scores(a, b, seed, log, out) : compare_predictions(a, b, seed, log, out);
}

vkd_result vkd_transfer_compare(const struct vkd_transfer_result *a, const struct vkd_transfer_result *b, uint64_t seed,
                                const struct vkd_log *log, struct vkd_transfer_comparison *out)
{
    const struct vkd_log silent = { .fn = NULL };
    vkd_result r = check_comparable(a, b, log);
    return r < 0 ? r : vkd__compare_outcomes(a, b, seed, log ? log : &silent, out);
}
