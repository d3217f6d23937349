// test_measure_filters.c -- measures of filters: against NumPy and SciPy, by hand, bad input.
#include "measure_inputs.h"

START_TEST(recorded_filters)
{
    json_t *golden = measures_open(), *c;
    json_t *thresholds = json_object_get(golden, "thresholds");
    size_t i;
    json_array_foreach(json_object_get(golden, "filters"), i, c) {
        const char *name = case_text(c, "name");
        uint32_t n = case_count(c, "rows");
        struct vkd_matrix w = matrix_make(name, "", case_text(c, "kind"), n, case_count(c, "cols"));
        double *heights = malloc(n * sizeof(*heights));
        struct vkd_filter_measures f;
        ck_assert_int_eq(vkd_filter_measure(&w, &test_log, &f), VKD_OK);
        check_case(c, "mean_cos", f.mean_cos);
        check_case(c, "max_cos", f.max_cos);
        check_case(c, "orthogonality", f.orthogonality);
        check_case(c, "effective_rank", f.effective_rank);

        const json_t *stored = json_object_get(c, "heights"), *counts = json_object_get(c, "counts");
        ck_assert_int_eq(vkd_cluster_heights(&w, &test_log, heights), VKD_OK);
        ck_assert_uint_eq(json_array_size(stored), n - 1);
        for (uint32_t j = 0; j + 1 < n; j++)     // differences of numbers near 1
            check_number(name, "heights", heights[j], json_double(json_array_get(stored, j)), 1e-5);
        for (uint32_t j = 0; j < json_array_size(thresholds); j++)
            ck_assert_uint_eq(vkd_cluster_count(heights, n, json_double(json_array_get(thresholds, j))),
                              json_integer_value(json_array_get(counts, j)));
        uint32_t *labels = malloc(n * sizeof(*labels));
        for (uint32_t j = 0; j < json_array_size(thresholds); j++) {
            const double t = json_double(json_array_get(thresholds, j));
            const json_t *partition = json_array_get(json_object_get(c, "partitions"), j);
            ck_assert_int_eq(vkd_cluster_labels(&w, t, &test_log, labels), VKD_OK);
            for (uint32_t k = 0; k < n; k++)
                ck_assert_msg(labels[k] == json_integer_value(json_array_get(partition, k)), "%s at %g: filter %u is in cluster %u",
                              name, t, k, labels[k]);
        }
        free(labels);
        free(heights);
        matrix_free(&w);
    }
    json_decref(golden);
}
END_TEST

START_TEST(orthonormal_filters)
{
    float w[5][5] = { { 0 } };
    double heights[4];
    struct vkd_filter_measures f;
    struct vkd_matrix m = { &w[0][0], 5, 5, 0 };
    for (uint32_t i = 0; i < 5; i++)
        w[i][4 - i] = -3;
    ck_assert_int_eq(vkd_filter_measure(&m, &test_log, &f), VKD_OK);
    ck_assert_double_eq(f.mean_cos, 0);
    ck_assert_double_eq(f.max_cos, 0);
    ck_assert_double_eq(f.orthogonality, 0);
    ck_assert_double_eq_tol(f.effective_rank, 5, 1e-12);
    ck_assert_int_eq(vkd_cluster_heights(&m, &test_log, heights), VKD_OK);      // all distances are equal
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_double_eq(heights[i], 1);
    ck_assert_uint_eq(vkd_cluster_count(heights, 5, 0.999), 5);
    ck_assert_uint_eq(vkd_cluster_count(heights, 5, 1), 1);
}
END_TEST

// Pairs of the same direction, one of the opposite, one zero.
START_TEST(alike_filters)
{
    float w[6][2] = { { 1, 0 }, { 0, 3 }, { 8, 0 }, { 0, 0.25f }, { -1, 0 }, { 0, 0 } };
    double heights[5];
    struct vkd_filter_measures f;
    struct vkd_matrix m = { &w[0][0], 6, 2, 0 };
    ck_assert_int_eq(vkd_cluster_heights(&m, &test_log, heights), VKD_OK);
    ck_assert_double_eq(heights[0], 0);
    ck_assert_double_eq(heights[1], 0);
    ck_assert_double_eq(heights[2], 1);
    ck_assert_uint_eq(vkd_cluster_count(heights, 6, 0), 4);
    ck_assert_uint_eq(vkd_cluster_count(heights, 6, 2), 1);
    ck_assert_int_eq(vkd_filter_measure(&m, &test_log, &f), VKD_OK);
    ck_assert_double_eq_tol(f.mean_cos, 4.0 / 15, 1e-15);
    ck_assert_double_eq(f.max_cos, 1);
    ck_assert_double_eq_tol(f.orthogonality, sqrt(9.0 / 30), 1e-15);

    m.rows = 1;
    ck_assert_int_eq(vkd_filter_measure(&m, &test_log, &f), VKD_OK);
    ck_assert(isnan(f.mean_cos) && isnan(f.max_cos) && isnan(f.orthogonality));
    ck_assert_double_eq_tol(f.effective_rank, 1, 1e-15);
    ck_assert_int_eq(vkd_cluster_heights(&m, &test_log, NULL), VKD_OK);
    ck_assert_uint_eq(vkd_cluster_count(NULL, 1, 2), 1);
}
END_TEST

// The definition, in O(n^3): merge the closest two clusters, again and again.
static void closest_pairs(const struct vkd_matrix *w, double *heights)
{
    const uint32_t n = w->rows;
    double *d = malloc((uint64_t) n * n * sizeof(*d)), *size = malloc(n * sizeof(*size));
    for (uint32_t i = 0; i < n; i++) {
        size[i] = 1;
        for (uint32_t j = 0; j < n; j++) {
            double dot = 0, a = 0, b = 0;
            for (uint32_t c = 0; c < w->cols; c++) {
                double x = matrix_row(w, i)[c], y = matrix_row(w, j)[c];
                dot += x * y, a += x * x, b += y * y;
            }
            d[i * n + j] = 1 - dot / sqrt(a * b);
        }
    }
    for (uint32_t merges = 0; merges + 1 < n; merges++) {
        uint32_t a = 0, b = 0;
        double best = INFINITY;
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t j = i + 1; j < n; j++)
                if (size[i] > 0 && size[j] > 0 && d[i * n + j] < best)
                    best = d[i * n + j], a = i, b = j;
        heights[merges] = best;
        for (uint32_t j = 0; j < n; j++)
            d[a * n + j] = d[j * n + a] = (size[a] * d[a * n + j] + size[b] * d[b * n + j]) / (size[a] + size[b]);
        size[a] += size[b];
        size[b] = 0;
    }
    free(size);
    free(d);
}

START_TEST(chain_is_closest_pairs)
{
    static const uint32_t sizes[][2] = { { 2, 1 }, { 3, 2 }, { 17, 3 }, { 90, 4 }, { 120, 33 } };
    for (uint32_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        const uint32_t n = sizes[k][0];
        struct vkd_matrix w = matrix_make("chain", "", "flat", n, sizes[k][1]);
        double found[120], again[120], expected[120];
        ck_assert_int_eq(vkd_cluster_heights(&w, &test_log, found), VKD_OK);
        ck_assert_int_eq(vkd_cluster_heights(&w, &test_log, again), VKD_OK);
        ck_assert_mem_eq(found, again, (n - 1) * sizeof(*found));
        closest_pairs(&w, expected);
        for (uint32_t i = 0; i + 1 < n; i++)
            check_number("chain", "heights", found[i], expected[i], 1e-4);
        matrix_free(&w);
    }
}
END_TEST

START_TEST(bad_filters)
{
    struct vkd_matrix w = matrix_make("bad", "", "flat", 7, 5);
    double heights[6];
    struct vkd_filter_measures f = { 7, 7, 7, 7 };
    CHECK_ALLOCATIONS(vkd_cluster_heights(&w, NULL, heights));
    CHECK_ALLOCATIONS(vkd_filter_measure(&w, NULL, &f));
    CHECK_ALLOCATIONS(vkd_cluster_labels(&w, 0.5, NULL, (uint32_t[7]) { 0 }));
    f.mean_cos = 7;
    matrix_row(&w, 3)[0] = NAN;
    CHECK_REJECTED(vkd_cluster_heights(&w, &test_log, heights), "row 3 column 0");
    CHECK_REJECTED(vkd_filter_measure(&w, &test_log, &f), "row 3 column 0");
    ck_assert_double_eq(f.mean_cos, 7);
    matrix_free(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("measure_filters");
    TCase *c = tcase_create("measure_filters");
    tcase_add_test(c, recorded_filters);
    tcase_add_test(c, orthonormal_filters);
    tcase_add_test(c, alike_filters);
    tcase_add_test(c, chain_is_closest_pairs);
    tcase_add_test(c, bad_filters);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
