// test_measure.c -- measures of features: against NumPy (tests/golden/measures.json), exact cases, bad input.
#include "measure_inputs.h"

static double spectrum_of(const struct vkd_matrix *z, enum vkd_spectrum_of of, double *values,
                          double (*rank)(const double *values, uint32_t count))
{
    ck_assert_int_eq(vkd_spectrum(z, of, &test_log, values), VKD_OK);
    return rank(values, z->rows < z->cols ? z->rows : z->cols);
}

static void compare_spectrum(const json_t *c, const char *key, const double *values, uint32_t count)
{
    const json_t *stored = json_object_get(c, key);
    ck_assert_uint_eq(json_array_size(stored), count);
    for (uint32_t i = 0; i < count; i++)    // exact relative to the largest
        check_number(case_text(c, "name"), key, values[i], json_double(json_array_get(stored, i)),
                     1e-5 * fmax(1e-3, json_double(json_array_get(stored, 0))));
}

START_TEST(recorded_features)
{
    json_t *golden = measures_open(), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "features"), i, c) {
        uint32_t n = case_count(c, "rows"), d = case_count(c, "cols"), count = n < d ? n : d;
        struct vkd_matrix z = matrix_make(case_text(c, "name"), "", case_text(c, "kind"), n, d);
        double *values = malloc(count * sizeof(*values)), out;

        check_case(c, "vendi", spectrum_of(&z, VKD_SPECTRUM_UNIT_ROWS, values, vkd_spectrum_eigen_rank));
        ck_assert_int_eq(vkd_spectrum(&z, VKD_SPECTRUM_CENTRED, &test_log, values), VKD_OK);
        compare_spectrum(c, "centred", values, count);
        check_case(c, "effective_rank", spectrum_of(&z, VKD_SPECTRUM_PLAIN, values, vkd_spectrum_effective_rank));
        compare_spectrum(c, "spectrum", values, count);
        check_case(c, "eigen_rank", vkd_spectrum_eigen_rank(values, count));
        ck_assert_int_eq(vkd_rankme(&z, &test_log, &out), VKD_OK);
        check_case(c, "rankme", out);
        ck_assert_int_eq(vkd_feature_std(&z, &test_log, &out), VKD_OK);
        check_case(c, "std", out);
        free(values);
        matrix_free(&z);
    }
    json_decref(golden);
}
END_TEST

// Rows of length 2 in the directions of the axes, `each` of every one: all singular values are equal.
START_TEST(orthonormal_features)
{
    enum { D = 6, EACH = 3 };
    float data[D * EACH][D] = { { 0 } };
    double values[D], out;
    for (uint32_t i = 0; i < D * EACH; i++)
        data[i][i % D] = i % 2 ? 2 : -2;
    struct vkd_matrix z = { &data[0][0], D * EACH, D, 0 };
    ck_assert_double_eq_tol(spectrum_of(&z, VKD_SPECTRUM_PLAIN, values, vkd_spectrum_effective_rank), D, 1e-12);
    ck_assert_double_eq_tol(vkd_spectrum_eigen_rank(values, D), D, 1e-12);
    ck_assert_double_eq_tol(values[0], 2 * sqrt(EACH), 1e-12);
    ck_assert_double_eq_tol(values[D - 1], 2 * sqrt(EACH), 1e-12);
    ck_assert_int_eq(vkd_rankme(&z, NULL, &out), VKD_OK);
    double p = 1.0 / D + 1e-7;
    ck_assert_double_eq_tol(out, exp(-D * p * log(p)), 1e-12);
}
END_TEST

START_TEST(one_repeated_vector)
{
    enum { N = 40, D = 17 };
    float data[N][D];
    double values[D], out;
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t c = 0; c < D; c++)
            data[i][c] = (float) (c + 1) * 0.25f;
    struct vkd_matrix z = { &data[0][0], N, D, 0 };
    ck_assert_double_eq_tol(spectrum_of(&z, VKD_SPECTRUM_PLAIN, values, vkd_spectrum_effective_rank), 1, 1e-12);
    ck_assert_double_eq_tol(vkd_spectrum_eigen_rank(values, D), 1, 1e-12);
    ck_assert_double_eq_tol(spectrum_of(&z, VKD_SPECTRUM_UNIT_ROWS, values, vkd_spectrum_eigen_rank), 1, 1e-12);
    ck_assert_int_eq(vkd_rankme(&z, NULL, &out), VKD_OK);
    ck_assert_double_eq_tol(out, exp(-(1 + 1e-7) * log1p(1e-7) - (D - 1) * 1e-7 * log(1e-7)), 1e-9);
    ck_assert_int_eq(vkd_feature_std(&z, NULL, &out), VKD_OK);
    ck_assert_double_eq_tol(out, 0, 1e-15);
}
END_TEST

START_TEST(zero_features)
{
    float data[5][3] = { { 0 } };
    struct vkd_matrix z = { &data[0][0], 5, 3, 0 };
    double out = 1, values[3];
    ck_assert_int_eq(vkd_rankme(&z, NULL, &out), VKD_OK);
    ck_assert_double_eq(out, 0);
    ck_assert_double_eq(spectrum_of(&z, VKD_SPECTRUM_UNIT_ROWS, values, vkd_spectrum_effective_rank), 0);
    ck_assert_double_eq(vkd_spectrum_eigen_rank(values, 3), 0);
    ck_assert_int_eq(vkd_feature_std(&z, NULL, &out), VKD_OK);
    ck_assert_double_eq(out, 0);
}
END_TEST

// The largest and the smallest floats, in blocks of several, and transposed: Z and Z^T have one spectrum.
START_TEST(blocks_and_extremes)
{
    enum { N = 70001, D = 61 };
    struct vkd_matrix z = matrix_make("blocks", "", "decay", N, D);
    struct vkd_matrix t = matrix_make("blocks", "", "flat", D, N);
    double tall[D], wide[D], tall_again[D];
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t c = 0; c < D; c++)
            matrix_row(&t, c)[i] = matrix_row(&z, i)[c];
    ck_assert_int_eq(vkd_spectrum(&z, VKD_SPECTRUM_PLAIN, NULL, tall), VKD_OK);
    ck_assert_int_eq(vkd_spectrum(&t, VKD_SPECTRUM_PLAIN, NULL, wide), VKD_OK);
    ck_assert_int_eq(vkd_spectrum(&z, VKD_SPECTRUM_PLAIN, NULL, tall_again), VKD_OK);
    ck_assert_mem_eq(tall, tall_again, sizeof(tall));
    double squares = 0, sum = 0;
    for (uint32_t c = 0; c < D; c++) {
        ck_assert_double_eq_tol(tall[c], wide[c], 1e-12 * tall[0]);
        ck_assert(c == 0 || tall[c] <= tall[c - 1]);
        squares += tall[c] * tall[c];
    }
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t c = 0; c < D; c++)
            sum += (double) matrix_row(&z, i)[c] * matrix_row(&z, i)[c];
    ck_assert_double_eq_tol(squares, sum, 1e-11 * sum);

    float extreme[3][2] = { { 3e38f, 0 }, { 0, 1e-45f }, { 3e38f, 0 } };
    struct vkd_matrix e = { &extreme[0][0], 3, 2, 0 };
    ck_assert_int_eq(vkd_spectrum(&e, VKD_SPECTRUM_UNIT_ROWS, NULL, tall), VKD_OK);
    ck_assert_double_eq_tol(tall[0], sqrt(2), 1e-12);
    ck_assert_double_eq_tol(tall[1], 1, 1e-12);
    matrix_free(&z);
    matrix_free(&t);
}
END_TEST

START_TEST(bad_features)
{
    struct vkd_matrix z = matrix_make("bad", "", "flat", 9, 5), copy = z;
    double values[5], out = 3;
    CHECK_ALLOCATIONS(vkd_rankme(&z, NULL, &out));
    CHECK_ALLOCATIONS(vkd_feature_std(&z, NULL, &out));
    out = 3;
    matrix_row(&z, 6)[4] = NAN;
    CHECK_REJECTED(vkd_rankme(&z, &test_log, &out), "row 6 column 4");
    CHECK_REJECTED(vkd_feature_std(&z, &test_log, &out), "row 6 column 4");
    matrix_row(&z, 6)[4] = -INFINITY;
    CHECK_REJECTED(vkd_spectrum(&z, VKD_SPECTRUM_CENTRED, &test_log, values), "-inf");
    z.rows = 6;
    ck_assert_int_eq(vkd_spectrum(&z, VKD_SPECTRUM_CENTRED, &test_log, values), VKD_OK);
    z.rows = 0;
    CHECK_REJECTED(vkd_rankme(&z, &test_log, &out), "found 0 x 5");
    z.rows = 6, z.stride = 4;
    CHECK_REJECTED(vkd_feature_std(&z, &test_log, &out), "stride 4");
    z.stride = 5, z.data = NULL;
    CHECK_REJECTED(vkd_rankme(&z, &test_log, &out), "no data");
    ck_assert_double_eq(out, 3);
    matrix_free(&copy);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("measure");
    TCase *c = tcase_create("measure");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, recorded_features);
    tcase_add_test(c, orthonormal_features);
    tcase_add_test(c, one_repeated_vector);
    tcase_add_test(c, zero_features);
    tcase_add_test(c, blocks_and_extremes);
    tcase_add_test(c, bad_features);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
