// rank_correlation.c -- Spearman's rho and Kendall's tau-b.
#include "matrix.h"
#include "resample.h"

#include <math.h>
#include <stdlib.h>

static vkd_result check(const char *call, const double *x, const double *y, uint32_t n, const struct vkd_log *log)
{
    vkd_result r = vkd__values_check(call, "x", x, n, log);
    return r == VKD_OK ? vkd__values_check(call, "y", y, n, log) : r;
}

struct placed {
    double value;
    uint32_t index;
};

static int ascending(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

// Ranks from 1 on, minus their mean; twice their values, which are whole numbers then.
static void rank(const double *x, uint32_t n, struct placed *room, double *out)
{
    for (uint32_t i = 0; i < n; i++)
        room[i] = (struct placed) { x[i], i };
    qsort(room, n, sizeof(*room), ascending);
    for (uint32_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && room[end].value == room[first].value; end++)
            ;
        for (uint32_t k = first; k < end; k++)
            out[room[k].index] = (double) first + end + 1 - (n + 1.0);
    }
}

vkd_result vkd_spearman(const double *x, const double *y, uint32_t n, const struct vkd_log *log, double *out)
{
    double xy = 0, xx = 0, yy = 0;
    vkd_result r = check("Spearman", x, y, n, log);
    if (r < 0)
        return r;
    struct placed *room = vkd__measure_alloc(n, 1, sizeof(*room));
    double *ranks = vkd__measure_alloc(n, 2, sizeof(*ranks));
    if (!room || !ranks) {
        r = vkd__measure_memory("Spearman", "the ranks", log);
        goto done;
    }
    rank(x, n, room, ranks);
    rank(y, n, room, ranks + n);
    for (uint32_t i = 0; i < n; i++) {
        xy += ranks[i] * ranks[n + i];
        xx += ranks[i] * ranks[i];
        yy += ranks[n + i] * ranks[n + i];
    }
    *out = xx > 0 && yy > 0 ? xy / sqrt(xx) / sqrt(yy) : NAN;
done:
    free(ranks);
    free(room);
    return r;
}

vkd_result vkd_kendall(const double *x, const double *y, uint32_t n, const struct vkd_log *log, double *out)
{
    int64_t score = 0, x_differ = 0, y_differ = 0;
    vkd_result r = check("Kendall", x, y, n, log);
    for (uint32_t i = 0; r == VKD_OK && i < n; i++)
        for (uint32_t j = 0; j < i; j++) {
            int a = (x[i] > x[j]) - (x[i] < x[j]), b = (y[i] > y[j]) - (y[i] < y[j]);
            score += a * b;
            x_differ += a != 0;
            y_differ += b != 0;
        }
    if (r == VKD_OK)
        *out = x_differ && y_differ ? (double) score / sqrt((double) x_differ) / sqrt((double) y_differ) : NAN;
    return r;
}
