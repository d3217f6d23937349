// predictions.c -- scores of predictions: accuracy, average precision, log-odds.
#include "matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// ---- Accuracy ----

vkd_result vkd_accuracy_measure(const uint32_t *predicted, const uint32_t *labels, uint32_t count, uint32_t classes,
                                const struct vkd_log *log, double *per_class, struct vkd_accuracy *out)
{
    struct vkd_accuracy a = { 0 };
    double sum = 0, all_right = 0;
    uint32_t *total = vkd__measure_alloc(classes, 2, sizeof(*total));
    if (!total)
        return vkd__measure_memory("accuracy", "the classes' counts", log);
    uint32_t *right = total + classes;
    for (uint32_t i = 0; i < count; i++) {
        if (labels[i] == VKD_NO_LABEL)
            continue;
        if (labels[i] >= classes) {
            vkd_log_write(log, VKD_LOG_ERROR, "accuracy: labels must be below %u classes, example %u has %u", classes,
                          i, labels[i]);
            free(total);
            return VKD_INVALID;
        }
        a.count++;
        total[labels[i]]++;
        right[labels[i]] += predicted[i] == labels[i];
    }
    for (uint32_t c = 0; c < classes; c++) {
        double share = total[c] ? (double) right[c] / total[c] : NAN;
        if (per_class)
            per_class[c] = share;
        a.classes += total[c] > 0;
        sum += total[c] ? share : 0;
        all_right += right[c];
    }
    a.top1 = a.count ? all_right / a.count : NAN;
    a.mean_per_class = a.classes ? sum / a.classes : NAN;
    *out = a;
    free(total);
    return VKD_OK;
}

// ---- Average precision ----

struct scored {
    float score;
    int8_t truth;
};

static int by_descending_score(const void *a, const void *b)
{
    float x = ((const struct scored *) a)->score, y = ((const struct scored *) b)->score;
    return (x < y) - (x > y);
}

// A point of the curve: what has entered, and how much of it is right.
struct point {
    uint32_t entered, right;
};

// The points after each value of the score; returns their number.
static uint32_t curve(struct scored *s, uint32_t count, struct point *points)
{
    uint32_t n = 0, right = 0;
    qsort(s, count, sizeof(*s), by_descending_score);
    for (uint32_t i = 0; i < count; i++) {
        right += s[i].truth == VKD_TRUTH_YES;
        if (i + 1 == count || s[i + 1].score != s[i].score)
            points[n++] = (struct point) { i + 1, right };
    }
    return n;
}

// From the last point to the first, so that the best precision from a point on is at hand.
static struct vkd_ap areas(const struct point *points, uint32_t count, uint32_t positives, uint32_t negatives)
{
    struct vkd_ap ap = { positives, negatives, NAN, NAN, NAN };
    double best = 0, above[11] = { 0 };
    if (!positives)
        return ap;
    ap.voc11 = ap.voc_all = ap.plain = 0;
    for (uint32_t i = count; i-- > 0;) {
        double precision = (double) points[i].right / points[i].entered;
        double recall_step = (double) (points[i].right - (i ? points[i - 1].right : 0)) / positives;
        best = fmax(best, precision);
        ap.voc_all += recall_step * best;
        ap.plain += recall_step * precision;
        for (uint32_t t = 0; t <= 10; t++)      // R >= t / 10 in whole numbers: .3 is no number of two
            if (10 * (uint64_t) points[i].right >= t * (uint64_t) positives)
                above[t] = best;
    }
    for (uint32_t t = 0; t <= 10; t++)
        ap.voc11 += above[t] / 11;
    return ap;
}

static struct vkd_ap class_ap(const struct vkd_matrix *scores, const int8_t *truth, uint32_t c, struct scored *s,
                              struct point *points)
{
    uint32_t count = 0, positives = 0;
    for (uint32_t i = 0; i < scores->rows; i++) {
        int8_t t = truth[(uint64_t) i * scores->cols + c];
        if (t == VKD_TRUTH_UNKNOWN)
            continue;
        s[count++] = (struct scored) { vkd__row(scores, i)[c], t };
        positives += t == VKD_TRUTH_YES;
    }
    return areas(points, curve(s, count, points), positives, count - positives);
}

static vkd_result check_truth(const struct vkd_matrix *scores, const int8_t *truth, const struct vkd_log *log)
{
    for (uint64_t i = 0; i < (uint64_t) scores->rows * scores->cols; i++) {
        if (truth[i] < VKD_TRUTH_UNKNOWN || truth[i] > VKD_TRUTH_YES) {
            vkd_log_write(log, VKD_LOG_ERROR, "average precision: truth must be -1 (unknown), 0 or 1, row %u class %u "
                          "is %d", (uint32_t) (i / scores->cols), (uint32_t) (i % scores->cols), truth[i]);
            return VKD_INVALID;
        }
    }
    return VKD_OK;
}

vkd_result vkd_average_precision(const struct vkd_matrix *scores, const int8_t *truth, const struct vkd_log *log,
                                 struct vkd_ap *per_class, struct vkd_map *out)
{
    struct vkd_matrix m = *scores;
    struct vkd_map map = { 0, 0, 0, 0 };
    vkd_result r = vkd__matrix_check("average precision", "scores", &m, log);
    if (r == VKD_OK)
        r = check_truth(&m, truth, log);
    if (r < 0)
        return r;
    struct scored *s = vkd__measure_alloc(m.rows, 1, sizeof(*s));
    struct point *points = vkd__measure_alloc(m.rows, 1, sizeof(*points));
    if (!s || !points) {
        r = vkd__measure_memory("average precision", "one class' scores", log);
        goto done;
    }
    for (uint32_t c = 0; c < m.cols; c++) {
        struct vkd_ap ap = class_ap(&m, truth, c, s, points);
        if (per_class)
            per_class[c] = ap;
        if (ap.positives) {
            map.classes++;
            map.voc11 += ap.voc11;
            map.voc_all += ap.voc_all;
            map.plain += ap.plain;
        }
    }
    double n = map.classes ? map.classes : NAN;
    *out = (struct vkd_map) { map.classes, map.voc11 / n, map.voc_all / n, map.plain / n };
done:
    free(points);
    free(s);
    return r;
}

double vkd_log_odds(double p, uint64_t count)
{
    if (!count || isnan(p))
        return NAN;
    double half = 0.5 / (double) count;
    p = fmin(fmax(p, half), 1 - half);
    return log(p / (1 - p));
}
