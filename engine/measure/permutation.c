// permutation.c -- permutation tests of paired differences and of a coefficient, and Holm's correction.
#include "matrix.h"
#include "resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PERMUTATIONS = 9999,
    EXACT_SIGNS = 16,           // differences of which all signs are tried
    EXACT_ROWS = 8,             // rows of which all orders are tried: 40,320
};
#define ROUNDING 1e-12          // permutations that equal the data's statistic but for rounding are as far

static void set_p(struct vkd_permutation *t, uint64_t as_far, uint64_t of)
{
    t->permutations = of;
    t->p = t->exact ? (double) as_far / (double) of : (as_far + 1.0) / (of + 1.0);
}

// ---- Pairs ----

// The sum with the sign of difference i changed where bit i is set.
static double exact_sum(const double *d, uint32_t n, uint32_t bits)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += bits >> i & 1 ? -d[i] : d[i];
    return sum;
}

static double drawn_sum(const double *d, uint32_t n, uint64_t seed, uint32_t permutation)
{
    struct vkd__draws draws = vkd__draws_begin(seed, VKD_STREAM_PERMUTE, permutation);
    double sum = 0;
    for (uint32_t i = 0; i < n; i += 32) {
        const u32 bits = vkd__draw_word(&draws);
        for (uint32_t k = i; k < n && k < i + 32; k++)
            sum += bits >> (k - i) & 1 ? -d[k] : d[k];
    }
    return sum;
}

// Of the `n` differences that are not 0: the others' signs say nothing.
static vkd_result test_signs(const double *d, uint32_t n, const struct vkd_resample_params *p,
                             struct vkd_permutation *out)
{
    double sum = 0, sizes = 0;
    uint64_t as_far = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += d[i];
        sizes += fabs(d[i]);
    }
    const double far = fabs(sum) - ROUNDING * sizes;
    out->exact = n <= EXACT_SIGNS;
    const uint64_t count = out->exact ? 1ull << n : p->count;
    for (uint64_t k = 0; k < count; k++) {
        if (p->stop && !out->exact && p->stop(p->user))
            return VKD_INTERRUPTED;
        double s = out->exact ? exact_sum(d, n, (uint32_t) k) : drawn_sum(d, n, p->seed, (uint32_t) k);
        as_far += fabs(s) >= far;
    }
    set_p(out, as_far, count);
    return VKD_OK;
}

vkd_result vkd_permutation_paired(const double *a, const double *b, uint32_t count, const struct vkd_resample_params *p,
                                  struct vkd_permutation *out)
{
    static const char call[] = "paired permutation test";
    struct vkd_resample_params with = *p;
    struct vkd_permutation t = { .statistic = 0 };
    uint32_t n = 0;
    vkd_result r = vkd__resample_check(call, &with, PERMUTATIONS);
    if (r == VKD_OK)
        r = vkd__values_check(call, "a", a, count, &p->log);
    if (r == VKD_OK)
        r = vkd__values_check(call, "b", b, count, &p->log);
    if (r < 0)
        return r;
    double *d = vkd__measure_alloc(count, 1, sizeof(*d));
    if (!d)
        return vkd__measure_memory(call, "the differences", &p->log);
    for (uint32_t i = 0; i < count; i++) {
        double difference = a[i] - b[i];
        t.statistic += difference / count;
        if (difference < 0 || difference > 0)
            d[n++] = difference;
    }
    r = test_signs(d, n, &with, &t);
    if (r == VKD_OK)
        *out = t;
    free(d);
    return r;
}

// ---- A coefficient ----

struct lane {
    const struct vkd__column_basis *controls;
    double *e, *x;              // residuals of y and x given the controls
    double xx;
    double *permuted, *left;    // n each
};

// |x's partial correlation| with the residuals in the order `order`, taken once more given the controls: what the
// controls fit drops out of it. Negative where these leave nothing.
static double distance(const struct lane *l, const uint32_t *order)
{
    const uint32_t n = l->controls->n;
    for (uint32_t i = 0; i < n; i++)
        l->permuted[i] = l->e[order[i]];
    double yy = vkd__column_basis_residuals(l->controls, l->permuted, l->left);
    return yy > 0 ? fabs(cblas_ddot((int) n, l->x, 1, l->left, 1)) / sqrt(yy) / sqrt(l->xx) : -1;
}

// The next order in the order of words; false after the last.
static bool next_order(uint32_t *order, uint32_t n)
{
    uint32_t i = n, j = n;
    while (i > 1 && order[i - 2] > order[i - 1])
        i--;
    if (i <= 1)
        return false;
    while (order[j - 1] < order[i - 2])
        j--;
    uint32_t t = order[i - 2];
    order[i - 2] = order[j - 1];
    order[j - 1] = t;
    for (uint32_t a = i - 1, b = n - 1; a < b; a++, b--) {
        t = order[a];
        order[a] = order[b];
        order[b] = t;
    }
    return true;
}

static void draw_order(uint32_t *order, uint32_t n, uint64_t seed, uint32_t permutation)
{
    struct vkd__draws d = vkd__draws_begin(seed, VKD_STREAM_PERMUTE, permutation);
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = vkd__draw_below(&d, i), t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}

static vkd_result test_orders(const struct lane *l, uint32_t *order, const struct vkd_resample_params *p,
                              struct vkd_permutation *out)
{
    const uint32_t n = l->controls->n;
    uint64_t as_far = 0, count = 0;
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    const double far = distance(l, order) * (1 - ROUNDING);
    out->exact = n <= EXACT_ROWS;
    do {
        if (p->stop && p->stop(p->user))
            return VKD_INTERRUPTED;
        if (!out->exact)
            draw_order(order, n, p->seed, (uint32_t) count);
        as_far += distance(l, order) >= far;
        count++;
    } while (out->exact ? next_order(order, n) : count < p->count);
    set_p(out, as_far, count);
    return VKD_OK;
}

// Statistic and p, from the residuals given the controls.
static vkd_result test_coefficient(struct lane *l, uint32_t *order, double ee, const struct vkd_resample_params *p,
                                   struct vkd_permutation *out)
{
    const uint32_t n = l->controls->n, params = l->controls->rank + 2;
    *out = (struct vkd_permutation) { .statistic = NAN, .p = NAN };
    if (!(ee > 0 && l->xx > 0) || n <= params)
        return VKD_OK;
    double r = cblas_ddot((int) n, l->x, 1, l->e, 1) / sqrt(ee) / sqrt(l->xx);
    out->statistic = r * sqrt((n - params) / fmax(0, 1 - r * r));
    return test_orders(l, order, p, out);
}

vkd_result vkd_permutation_coefficient(const double *y, const double *x, const double *const *controls,
                                       uint32_t control_count, uint32_t n, const struct vkd_resample_params *p,
                                       struct vkd_permutation *out)
{
    static const char call[] = "permutation test of a coefficient";
    struct vkd_resample_params with = *p;
    struct vkd_permutation t;
    struct vkd__column_basis b;
    vkd_result r = vkd__resample_check(call, &with, PERMUTATIONS);
    if (r == VKD_OK)
        r = vkd__values_check(call, "y", y, n, &p->log);
    if (r == VKD_OK)
        r = vkd__values_check(call, "x", x, n, &p->log);
    if (r == VKD_OK)
        r = vkd__column_basis_make(call, controls, control_count, n, &p->log, &b);
    if (r < 0)
        return r;
    double *room = vkd__measure_alloc(n, 4, sizeof(*room));
    uint32_t *order = vkd__measure_alloc(n, 1, sizeof(*order));
    if (room && order) {
        struct lane l = { &b, room, room + n, 0, room + 2ull * n, room + 3ull * n };
        const double ee = vkd__column_basis_residuals(&b, y, l.e);
        l.xx = vkd__column_basis_residuals(&b, x, l.x);
        r = test_coefficient(&l, order, ee, &with, &t);
    } else {
        r = vkd__measure_memory(call, "the residuals", &p->log);
    }
    if (r == VKD_OK)
        *out = t;
    free(order);
    free(room);
    vkd__column_basis_finish(&b);
    return r;
}

// ---- Several tests ----

struct tested {
    double p;
    uint32_t index;
};

static int ascending(const void *a, const void *b)
{
    const struct tested *x = a, *y = b;
    return (x->p > y->p) - (x->p < y->p);
}

vkd_result vkd_holm(const double *p, uint32_t count, double *adjusted)
{
    struct tested *t = vkd__measure_alloc(count, 1, sizeof(*t));
    uint32_t n = 0;
    double most = 0;
    if (!t)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        if (isnan(p[i]))
            adjusted[i] = NAN;
        else
            t[n++] = (struct tested) { p[i], i };
    }
    qsort(t, n, sizeof(*t), ascending);
    for (uint32_t i = 0; i < n; i++) {
        most = fmax(most, fmin(1, (n - i) * t[i].p));
        adjusted[t[i].index] = most;
    }
    free(t);
    return VKD_OK;
}
