// test_stats.c -- intervals, permutation tests, least squares, ranks: against SciPy and NumPy, by hand, bad input.
#include "stats_inputs.h"

#include <vkdiv/stats.h>

enum { ROWS_MAX = 400 };

static struct vkd_resample_params case_resample(const json_t *c)
{
    return (struct vkd_resample_params) {
        .count = case_count(c, "count"), .confidence = json_number_value(json_object_get(c, "confidence")),
        .seed = (uint64_t) json_integer_value(json_object_get(c, "seed")), .log = test_log,
    };
}

static void check_interval(const json_t *c, const struct vkd_interval *found)
{
    check_case(c, "value", found->value);
    check_case(c, "low", found->low);
    check_case(c, "high", found->high);
    ck_assert_uint_eq(found->resamples, case_count(c, "resamples"));
}

// ---- Bootstrap ----

START_TEST(recorded_means)
{
    json_t *golden = golden_json("stats"), *c;
    size_t k;
    json_array_foreach(json_object_get(golden, "means"), k, c) {
        const uint32_t n = case_count(c, "rows");
        double x[ROWS_MAX];
        struct vkd_interval found, again;
        values_make(case_text(c, "name"), "", n, 0, x);
        struct vkd_resample_params p = case_resample(c);
        ck_assert_int_eq(vkd_bootstrap_mean(x, n, &p, &found), VKD_OK);
        ck_assert_int_eq(vkd_bootstrap_mean(x, n, &p, &again), VKD_OK);
        ck_assert(found.low == again.low && found.high == again.high && found.value == again.value);
        check_interval(c, &found);
        p.seed++;
        ck_assert_int_eq(vkd_bootstrap_mean(x, n, &p, &again), VKD_OK);
        ck_assert(n == 1 || again.low != found.low);
    }
    json_decref(golden);
}
END_TEST

struct table {
    double y[ROWS_MAX], x[ROWS_MAX], c[ROWS_MAX];
};

static void partial_of(void *user, const uint32_t *indices, uint32_t count, double *out)
{
    const struct table *t = user;
    double y[2 * ROWS_MAX], x[2 * ROWS_MAX], c[2 * ROWS_MAX];
    const double *controls[] = { c };
    for (uint32_t i = 0; i < count; i++) {
        y[i] = t->y[indices[i]];
        x[i] = t->x[indices[i]];
        c[i] = t->c[indices[i]];
    }
    ck_assert_int_eq(vkd_partial_correlation(y, x, controls, 1, count, NULL, out), VKD_OK);
}

START_TEST(recorded_clusters)
{
    json_t *golden = golden_json("stats"), *c;
    size_t k;
    json_array_foreach(json_object_get(golden, "clusters"), k, c) {
        const char *name = case_text(c, "name");
        const uint32_t n = case_count(c, "rows");
        struct table t;
        double u[ROWS_MAX];
        uint32_t clusters[ROWS_MAX];
        values_make(name, ".y", n, 0, t.y);
        values_make(name, ".x", n, 0, t.x);
        values_make(name, ".c", n, 0, t.c);
        values_make(name, ".clusters", n, 0, u);
        for (uint32_t i = 0; i < n; i++) {
            t.y[i] += t.c[i];
            clusters[i] = (uint32_t) (u[i] * case_count(c, "clusters"));
        }
        struct vkd_resample_params p = case_resample(c);
        struct vkd_interval found;
        ck_assert_int_eq(vkd_bootstrap_clusters(partial_of, &t, clusters, n, 1, &p, &found), VKD_OK);
        check_interval(c, &found);
    }
    json_decref(golden);
}
END_TEST

static void count_twice(void *user, const uint32_t *indices, uint32_t count, double *out)
{
    (void) user;
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += indices[i];
    out[0] = count;
    out[1] = indices[0] % 2 ? NAN : sum;
    out[2] = NAN;
}

// Several values from the same draws; those of which most are missing have no interval.
START_TEST(metrics_with_gaps)
{
    struct vkd_resample_params p = { .count = 400, .log = test_log };
    const uint32_t clusters[] = { 5, 5, 5, 2, 2, 2 };
    struct vkd_interval out[3];
    ck_assert_int_eq(vkd_bootstrap_metric(count_twice, NULL, 6, 3, &p, out), VKD_OK);
    ck_assert_double_eq(out[0].low, 6);
    ck_assert_double_eq(out[0].high, 6);
    ck_assert_uint_eq(out[0].resamples, 400);
    ck_assert_uint_lt(out[1].resamples, 400);
    ck_assert_double_eq(out[1].value, 15);
    ck_assert_double_nan(out[2].low);
    ck_assert_double_nan(out[2].value);
    ck_assert_uint_eq(out[2].resamples, 0);
    ck_assert_int_eq(vkd_bootstrap_clusters(count_twice, NULL, clusters, 6, 3, &p, out), VKD_OK);
    ck_assert_double_eq(out[0].low, 6);
    ck_assert_double_eq(out[0].high, 6);
}
END_TEST

static bool stop_soon(void *user)
{
    return ++*(uint32_t *) user > 3;
}

START_TEST(interrupted)
{
    uint32_t asked = 0;
    struct vkd_resample_params p = { .log = test_log, .stop = stop_soon, .user = &asked };
    struct vkd_interval out = { .value = 7 };
    struct vkd_permutation test = { .p = 7 };
    double x[20], y[20];
    values_make("stop", ".x", 20, 0, x);
    values_make("stop", ".y", 20, 0, y);
    ck_assert_int_eq(vkd_bootstrap_mean(x, 20, &p, &out), VKD_INTERRUPTED);
    ck_assert_uint_eq(asked, 4);
    asked = 0;
    ck_assert_int_eq(vkd_permutation_paired(x, y, 20, &p, &test), VKD_INTERRUPTED);
    asked = 0;
    ck_assert_int_eq(vkd_permutation_coefficient(x, y, NULL, 0, 20, &p, &test), VKD_INTERRUPTED);
    ck_assert_double_eq(out.value, 7);
    ck_assert_double_eq(test.p, 7);
}
END_TEST

// ---- Permutations ----

START_TEST(recorded_pairs)
{
    json_t *golden = golden_json("stats"), *c;
    size_t k;
    json_array_foreach(json_object_get(golden, "paired"), k, c) {
        const char *name = case_text(c, "name");
        const uint32_t n = case_count(c, "rows"), steps = case_count(c, "steps");
        double a[ROWS_MAX], b[ROWS_MAX], s[ROWS_MAX];
        struct vkd_permutation t, other;
        values_make(name, ".a", n, steps, a);
        values_make(name, ".b", n, steps, b);
        values_make(name, ".s", n, 0, s);
        for (uint32_t i = 0; i < n; i++)
            a[i] += s[i] < 0.3 ? case_double(c, "shift") : 0;
        struct vkd_resample_params p = case_resample(c);
        ck_assert_int_eq(vkd_permutation_paired(a, b, n, &p, &t), VKD_OK);
        check_case(c, "statistic", t.statistic);
        check_case(c, "p", t.p);
        ck_assert_int_eq(t.exact, json_is_true(json_object_get(c, "exact")));
        ck_assert_int_eq(vkd_permutation_paired(b, a, n, &p, &other), VKD_OK);
        check_case(c, "p", other.p);
        check_number(name, "negated", other.statistic, -t.statistic, 0);
    }
    json_decref(golden);
}
END_TEST

// Equal models: nothing is farther from 0 than they are.
START_TEST(equal_pairs)
{
    const struct vkd_resample_params p = { .log = test_log };
    const double a[] = { 1, 0, 1, 1 };
    struct vkd_permutation t;
    ck_assert_int_eq(vkd_permutation_paired(a, a, 4, &p, &t), VKD_OK);
    ck_assert_double_eq(t.p, 1);
    ck_assert_double_eq(t.statistic, 0);
    ck_assert(t.exact);
}
END_TEST

START_TEST(recorded_coefficients)
{
    json_t *golden = golden_json("stats"), *c;
    size_t k;
    json_array_foreach(json_object_get(golden, "coefficient"), k, c) {
        const char *name = case_text(c, "name");
        const uint32_t n = case_count(c, "rows"), controls = case_count(c, "controls");
        double x[ROWS_MAX], y[ROWS_MAX], columns[2][ROWS_MAX];
        const double *at[] = { columns[0], columns[1] };
        struct vkd_permutation t;
        values_make(name, ".x", n, 0, x);
        values_make(name, ".y", n, 0, y);
        for (uint32_t i = 0; i < n; i++)
            y[i] += case_double(c, "effect") * x[i];
        for (uint32_t j = 0; j < controls; j++) {
            values_make(name, j ? ".c1" : ".c0", n, 0, columns[j]);
            for (uint32_t i = 0; i < n; i++)
                y[i] += columns[j][i];
        }
        struct vkd_resample_params p = case_resample(c);
        ck_assert_int_eq(vkd_permutation_coefficient(y, x, at, controls, n, &p, &t), VKD_OK);
        check_case(c, "statistic", t.statistic);
        check_case(c, "p", t.p);
        ck_assert_uint_eq(t.permutations, case_count(c, "permutations"));
        ck_assert_int_eq(t.exact, json_is_true(json_object_get(c, "exact")));
    }
    json_decref(golden);
}
END_TEST

START_TEST(recorded_holm)
{
    json_t *golden = golden_json("stats"), *expected = json_object_get(golden, "holm");
    double p[10], found[10];
    values_make("holm", "", 9, 0, p);
    for (uint32_t i = 0; i < 9; i++)
        p[i] *= 0.1;
    p[9] = NAN;
    ck_assert_int_eq(vkd_holm(p, 10, found), VKD_OK);
    for (uint32_t i = 0; i < 9; i++)
        check_number("holm", "p", found[i], json_double(json_array_get(expected, i)), 0);
    ck_assert_double_nan(found[9]);
    ck_assert_int_eq(vkd_holm(p, 10, p), VKD_OK);
    ck_assert_mem_eq(p, found, 9 * sizeof(double));
    json_decref(golden);
}
END_TEST

// ---- Least squares ----

// columns_of() and y of the script.
static void fit_inputs(const json_t *c, double columns[5][ROWS_MAX], double *y)
{
    const char *name = case_text(c, "name"), *kind = case_text(c, "kind");
    const uint32_t n = case_count(c, "rows"), k = case_count(c, "columns");
    values_make(name, ".y", n, 0, y);
    for (uint32_t j = 0; j < k; j++) {
        char suffix[16];
        snprintf(suffix, sizeof(suffix), ".%u", j);
        values_make(name, suffix, n, 0, columns[j]);
        double mean = 0;
        for (uint32_t i = 0; i < n; i++) {
            double *x = &columns[j][i];
            if (!strcmp(kind, "offset"))
                *x = 1e6 + *x;
            else if (j + 1 == k && !strcmp(kind, "near"))
                *x = columns[0][i] + 1e-4 * *x;
            else if (j + 1 == k && !strcmp(kind, "double"))
                *x = columns[0][i];
            else if (j + 1 == k && !strcmp(kind, "constant"))
                *x = 3;
            mean += *x / n;
        }
        for (uint32_t i = 0; i < n; i++)
            y[i] += (j + 1) * (columns[j][i] - mean);
    }
}

static void check_list(const json_t *c, const char *key, const double *found, uint32_t count, double scale)
{
    const json_t *list = json_object_get(c, key);
    for (uint32_t i = 0; i < count; i++)
        check_number(case_text(c, "name"), key, found[i],
                     json_is_null(list) ? NAN : json_double(json_array_get(list, i)), scale);
}

START_TEST(recorded_fits)
{
    static double columns[5][ROWS_MAX], y[ROWS_MAX], residuals[ROWS_MAX], leverages[ROWS_MAX];
    const double *at[] = { columns[0], columns[1], columns[2], columns[3], columns[4] };
    json_t *golden = golden_json("stats"), *c;
    size_t k;
    json_array_foreach(json_object_get(golden, "ols"), k, c) {
        const char *name = case_text(c, "name");
        const uint32_t n = case_count(c, "rows"), count = case_count(c, "columns");
        // The inputs' own rounding, of 1e6 + x and of nearly equal columns, is larger than 1e-9.
        const bool hard = !strcmp(name, "offset") || !strcmp(name, "near");
        struct vkd_ols o;
        double sum = 0, cluster_r2;
        uint32_t clusters[ROWS_MAX], rows[ROWS_MAX];
        fit_inputs(c, columns, y);
        last_log[0] = 0;
        ck_assert_int_eq(vkd_ols(y, at, count, n, &test_log, &o, residuals, leverages), VKD_OK);
        ck_assert_uint_eq(o.n, n);
        ck_assert_uint_eq(o.params, count + 1);
        ck_assert_uint_eq(o.rank, case_count(c, "rank"));
        ck_assert_msg((o.rank < o.params) == (strstr(last_log, "rank") != NULL), "%s: %s", name, last_log);
        check_number(name, "r2", o.r2, case_double(c, "r2"), 1);
        check_number(name, "adjusted_r2", o.adjusted_r2, case_double(c, "adjusted_r2"), 1);
        check_number(name, "residual_std", o.residual_std, case_double(c, "residual_std"), 1);
        check_number(name, "loo_r2", o.loo_r2, case_double(c, "loo_r2"), 1);
        check_list(c, "coefficients", o.coefficients, count + 1, hard ? 1e3 : 1);
        check_list(c, "std_errors", o.std_errors, count + 1, hard ? 1e3 : 1);
        for (uint32_t i = 0; i < n; i++) {
            clusters[i] = 100 - i / 3;
            rows[i] = i;
            sum += leverages[i];
        }
        check_number(name, "trace of the hat matrix", sum, o.rank, 1);
        ck_assert_int_eq(vkd_ols_cluster_loo(y, at, count, n, clusters, NULL, &cluster_r2), VKD_OK);
        check_number(name, "cluster_r2", cluster_r2, case_double(c, "cluster_r2"), 1);
        ck_assert_int_eq(vkd_ols_cluster_loo(y, at, count, n, rows, NULL, &cluster_r2), VKD_OK);
        if (o.rank == o.params && n > o.params)
            check_number(name, "rows left out", cluster_r2, o.loo_r2, 1);
    }
    json_decref(golden);
}
END_TEST

START_TEST(recorded_partials)
{
    json_t *golden = golden_json("stats"), *c;
    size_t k;
    json_array_foreach(json_object_get(golden, "partial"), k, c) {
        const char *name = case_text(c, "name");
        const uint32_t n = case_count(c, "rows"), controls = case_count(c, "controls");
        double x[ROWS_MAX], y[ROWS_MAX], columns[3][ROWS_MAX], found;
        const double *at[] = { columns[0], columns[1], columns[2] };
        values_make(name, ".x", n, 0, x);
        values_make(name, ".y", n, 0, y);
        for (uint32_t j = 0; j < controls; j++) {
            values_make(name, j == 0 ? ".c0" : j == 1 ? ".c1" : ".c2", n, 0, columns[j]);
            for (uint32_t i = 0; i < n; i++)
                y[i] += columns[j][i];
        }
        ck_assert_int_eq(vkd_partial_correlation(y, x, at, controls, n, &test_log, &found), VKD_OK);
        check_case(c, "value", found);
        ck_assert_int_eq(vkd_partial_correlation(x, y, at, controls, n, &test_log, &found), VKD_OK);
        check_case(c, "value", found);
    }
    json_decref(golden);
}
END_TEST

// ---- Ranks ----

START_TEST(recorded_ranks)
{
    json_t *golden = golden_json("stats"), *c;
    size_t k;
    json_array_foreach(json_object_get(golden, "ranks"), k, c) {
        const char *name = case_text(c, "name");
        const uint32_t n = case_count(c, "rows"), steps = case_count(c, "steps");
        double x[ROWS_MAX], y[ROWS_MAX], found;
        values_make(name, ".x", n, steps, x);
        values_make(name, ".y", n, steps, y);
        for (uint32_t i = 0; i < n; i++)
            y[i] += steps ? floor(x[i] / 2) : x[i];
        ck_assert_int_eq(vkd_spearman(x, y, n, &test_log, &found), VKD_OK);
        check_case(c, "spearman", found);
        ck_assert_int_eq(vkd_kendall(x, y, n, &test_log, &found), VKD_OK);
        check_case(c, "kendall", found);
    }
    json_decref(golden);
}
END_TEST

// ---- What has no value, and bad input ----

START_TEST(without_a_value)
{
    const struct vkd_resample_params p = { .log = test_log };
    const double y[] = { 1, 2, 4, 8, 5 }, flat[] = { 3, 3, 3, 3, 3 }, x[] = { 2, 4, 8, 16, 10 };
    const double *controls[] = { x };
    struct vkd_permutation t;
    struct vkd_ols o;
    double r = 7;
    ck_assert_int_eq(vkd_spearman(y, flat, 5, &test_log, &r), VKD_OK);
    ck_assert_double_nan(r);
    ck_assert_int_eq(vkd_kendall(flat, y, 5, &test_log, &r), VKD_OK);
    ck_assert_double_nan(r);
    ck_assert_int_eq(vkd_spearman(y, y, 1, &test_log, &r), VKD_OK);
    ck_assert_double_nan(r);
    ck_assert_int_eq(vkd_partial_correlation(y, flat, NULL, 0, 5, &test_log, &r), VKD_OK);
    ck_assert_double_nan(r);
    ck_assert_int_eq(vkd_partial_correlation(y, y, controls, 1, 5, &test_log, &r), VKD_OK);
    ck_assert_double_nan(r);        // y is twice the control
    ck_assert_int_eq(vkd_partial_correlation(y, x, NULL, 0, 5, &test_log, &r), VKD_OK);
    ck_assert_double_eq_tol(r, 1, 1e-15);
    ck_assert_int_eq(vkd_permutation_coefficient(y, flat, NULL, 0, 5, &p, &t), VKD_OK);
    ck_assert_double_nan(t.p);
    ck_assert_int_eq(vkd_permutation_coefficient(y, x, NULL, 0, 2, &p, &t), VKD_OK);
    ck_assert_double_nan(t.statistic);
    ck_assert_int_eq(vkd_ols(flat, controls, 1, 5, &test_log, &o, NULL, NULL), VKD_OK);
    ck_assert_double_nan(o.r2);
    ck_assert_double_nan(o.adjusted_r2);
    ck_assert_double_nan(o.loo_r2);
    ck_assert_double_eq(o.coefficients[0], 3);
    ck_assert_double_eq(o.coefficients[1], 0);
    ck_assert_int_eq(vkd_ols(y, controls, 1, 5, &test_log, &o, NULL, NULL), VKD_OK);
    ck_assert_double_eq(o.r2, 1);
    ck_assert_double_eq_tol(o.coefficients[1], 0.5, 1e-14);
    ck_assert_int_eq(vkd_ols(y, controls, 1, 1, &test_log, &o, NULL, NULL), VKD_OK);
    ck_assert_uint_eq(o.rank, 1);
    ck_assert_double_nan(o.r2);
}
END_TEST

START_TEST(bad_input)
{
    struct vkd_resample_params p = { .log = test_log, .count = 5 };
    double x[ROWS_MAX], bad[ROWS_MAX], r = 7;
    const double *columns[VKD_OLS_COLUMNS_MAX + 1], *bad_columns[] = { x, bad };
    struct vkd_ols o = { .r2 = 7 };
    struct vkd_interval i = { .value = 7 };
    struct vkd_permutation t = { .p = 7 };
    values_make("bad", "", 20, 0, x);
    values_make("bad", "2", 20, 0, bad);
    for (uint32_t k = 0; k <= VKD_OLS_COLUMNS_MAX; k++)
        columns[k] = x;
    bad[11] = NAN;
    CHECK_REJECTED(vkd_bootstrap_mean(bad, 20, &p, &i), "number 11");
    CHECK_REJECTED(vkd_bootstrap_mean(x, 0, &p, &i), "one value or more");
    CHECK_REJECTED(vkd_bootstrap_metric(partial_of, NULL, 0, 1, &p, &i), "found 0");
    CHECK_REJECTED(vkd_permutation_paired(x, bad, 20, &p, &t), "b must be finite");
    CHECK_REJECTED(vkd_permutation_coefficient(bad, x, NULL, 0, 20, &p, &t), "y must be finite");
    CHECK_REJECTED(vkd_permutation_coefficient(x, x, bad_columns, 2, 20, &p, &t), "a column must be finite");
    CHECK_REJECTED(vkd_ols(x, bad_columns, 2, 20, &test_log, &o, NULL, NULL), "number 11");
    CHECK_REJECTED(vkd_ols(bad, columns, 1, 20, &test_log, &o, NULL, NULL), "y must be finite");
    CHECK_REJECTED(vkd_ols(x, columns, 1, 0, &test_log, &o, NULL, NULL), "one value or more");
    CHECK_REJECTED(vkd_ols(x, columns, VKD_OLS_COLUMNS_MAX + 1, 20, &test_log, &o, NULL, NULL), "at most 15 columns");
    CHECK_REJECTED(vkd_ols_cluster_loo(bad, columns, 1, 20, NULL, &test_log, &r), "y must be finite");
    CHECK_REJECTED(vkd_partial_correlation(x, bad, NULL, 0, 20, &test_log, &r), "x must be finite");
    CHECK_REJECTED(vkd_spearman(x, bad, 20, &test_log, &r), "y must be finite");
    CHECK_REJECTED(vkd_kendall(bad, x, 20, &test_log, &r), "x must be finite");
    bad[11] = INFINITY;
    CHECK_REJECTED(vkd_kendall(bad, x, 20, &test_log, &r), "inf");
    p.confidence = 1;
    CHECK_REJECTED(vkd_bootstrap_mean(x, 20, &p, &i), "confidence");
    ck_assert_double_eq(o.r2, 7);
    ck_assert_double_eq(i.value, 7);
    ck_assert_double_eq(t.p, 7);
    ck_assert_double_eq(r, 7);
}
END_TEST

START_TEST(without_memory)
{
    const struct vkd_resample_params p = { .count = 5 };
    double x[20], y[20], value;
    const double *columns[] = { y };
    uint32_t clusters[20];
    struct vkd_ols o;
    struct vkd_interval i;
    struct vkd_permutation t;
    values_make("memory", ".x", 20, 0, x);
    values_make("memory", ".y", 20, 0, y);
    for (uint32_t k = 0; k < 20; k++)
        clusters[k] = k / 4;
    CHECK_ALLOCATIONS(vkd_bootstrap_mean(x, 20, &p, &i));
    CHECK_ALLOCATIONS(vkd_permutation_paired(x, y, 20, &p, &t));
    CHECK_ALLOCATIONS(vkd_permutation_coefficient(x, y, columns, 1, 20, &p, &t));
    CHECK_ALLOCATIONS(vkd_holm(x, 20, y));
    CHECK_ALLOCATIONS(vkd_ols(x, columns, 1, 20, NULL, &o, NULL, NULL));
    CHECK_ALLOCATIONS(vkd_ols_cluster_loo(x, columns, 1, 20, clusters, NULL, &value));
    CHECK_ALLOCATIONS(vkd_partial_correlation(x, y, columns, 1, 20, NULL, &value));
    CHECK_ALLOCATIONS(vkd_spearman(x, y, 20, NULL, &value));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stats");
    TCase *c = tcase_create("stats");
    tcase_add_test(c, recorded_means);
    tcase_add_test(c, recorded_clusters);
    tcase_add_test(c, metrics_with_gaps);
    tcase_add_test(c, interrupted);
    tcase_add_test(c, recorded_pairs);
    tcase_add_test(c, equal_pairs);
    tcase_add_test(c, recorded_coefficients);
    tcase_add_test(c, recorded_holm);
    tcase_add_test(c, recorded_fits);
    tcase_add_test(c, recorded_partials);
    tcase_add_test(c, recorded_ranks);
    tcase_add_test(c, without_a_value);
    tcase_add_test(c, bad_input);
    tcase_add_test(c, without_memory);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
