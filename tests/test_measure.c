// test_measure.c -- measures of features: against NumPy (tests/golden/measures.json), exact cases, bad input.
#include "measure_inputs.h"
#include "runtime/os.h"

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
        check_case(c, "alpha", spectrum_of(&z, VKD_SPECTRUM_CENTRED, values, vkd_spectrum_alpha));
        compare_spectrum(c, "centred", values, count);
        check_case(c, "effective_rank", spectrum_of(&z, VKD_SPECTRUM_PLAIN, values, vkd_spectrum_effective_rank));
        compare_spectrum(c, "spectrum", values, count);
        check_case(c, "eigen_rank", vkd_spectrum_eigen_rank(values, count));
        ck_assert_int_eq(vkd_rankme(&z, &test_log, &out), VKD_OK);
        check_case(c, "rankme", out);
        ck_assert_int_eq(vkd_feature_std(&z, &test_log, &out), VKD_OK);
        check_case(c, "std", out);

        struct vkd_feature_measures all;
        ck_assert_int_eq(vkd_feature_measure(&z, &test_log, &all), VKD_OK);
        check_case(c, "rankme", all.rankme);
        check_case(c, "effective_rank", all.effective_rank);
        check_case(c, "eigen_rank", all.eigen_rank);
        check_case(c, "alpha", all.alpha);
        check_case(c, "vendi", all.vendi);
        check_case(c, "std", all.std);
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

START_TEST(recorded_lidar)
{
    json_t *golden = measures_open(), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "lidar"), i, c) {
        const char *name = case_text(c, "name");
        uint32_t images = case_count(c, "images"), views = case_count(c, "views"), d = case_count(c, "cols");
        struct vkd_matrix z = matrix_make(name, "", case_text(c, "kind"), images * views, d);
        struct vkd_matrix centres = matrix_make(name, ".centre", "decay", images, d);
        const char *kind = case_text(c, "kind");
        const bool apart = !strcmp(kind, "flat") || !strcmp(kind, "decay");
        double out;
        for (uint32_t j = 0; apart && j < images * views; j++)
            for (uint32_t k = 0; k < d; k++)
                matrix_row(&z, j)[k] = (float) (matrix_row(&z, j)[k] + 3.0 * matrix_row(&centres, j / views)[k]);
        ck_assert_int_eq(vkd_lidar(&z, views, &test_log, &out), VKD_OK);
        check_case(c, "lidar", out);
        matrix_free(&centres);
        matrix_free(&z);
    }
    json_decref(golden);
}
END_TEST

START_TEST(lidar_rules)
{
    // Images along four axes, both ways; views differ along the same axes by the same: all directions count alike.
    enum { D = 4, IMAGES = 2 * D, VIEWS = 2 * D };
    float data[IMAGES * VIEWS][D] = { { 0 } };
    double out;
    for (uint32_t i = 0; i < IMAGES * VIEWS; i++) {
        uint32_t image = i / VIEWS, view = i % VIEWS;
        data[i][image / 2] += image % 2 ? 3 : -3;
        data[i][view / 2] += view % 2 ? 0.5f : -0.5f;
    }
    struct vkd_matrix z = { &data[0][0], IMAGES * VIEWS, D, 0 };
    ck_assert_int_eq(vkd_lidar(&z, VIEWS, &test_log, &out), VKD_OK);
    ck_assert_double_eq_tol(out, D, 1e-9);
    for (uint32_t i = 0; i < IMAGES * VIEWS; i++)
        for (uint32_t c = 1; c < D; c++)
            data[i][c] = 0;         // one direction
    ck_assert_int_eq(vkd_lidar(&z, VIEWS, &test_log, &out), VKD_OK);
    ck_assert_double_eq_tol(out, 1, 1e-9);
    CHECK_ALLOCATIONS(vkd_lidar(&z, VIEWS, NULL, &out));
    CHECK_REJECTED(vkd_lidar(&z, 1, &test_log, &out), "1 views");
    CHECK_REJECTED(vkd_lidar(&z, 0, &test_log, &out), "0 views");
    CHECK_REJECTED(vkd_lidar(&z, 5, &test_log, &out), "64 rows");
    CHECK_REJECTED(vkd_lidar(&z, 64, &test_log, &out), "64 rows");
    memset(data, 0, sizeof(data));
    ck_assert_int_eq(vkd_lidar(&z, VIEWS, &test_log, &out), VKD_OK);
    ck_assert_double_eq(out, 0);
    data[7][2] = NAN;
    CHECK_REJECTED(vkd_lidar(&z, VIEWS, &test_log, &out), "row 7 column 2");
    // Rounding of such numbers swallows 1e-4 whole. Singular or not, it must not crash.
    for (uint32_t i = 0; i < IMAGES * VIEWS; i++)
        for (uint32_t c = 0; c < D; c++)
            data[i][c] = (i % 2 ? 1e30f : -1e30f) * (float) (i / VIEWS + 1);
    vkd_result r = vkd_lidar(&z, VIEWS, &test_log, &out);
    ck_assert(r == VKD_OK || r == VKD_DIVERGED);
}
END_TEST

// Features that have but a few directions, all large: 1e-4 in all the others. Scatter matrices in float say 4.864 instead.
START_TEST(lidar_of_few_directions)
{
    enum { D = 48, RANK = 4, IMAGES = 40, VIEWS = 4 };
    static float data[IMAGES * VIEWS][D];
    struct vkd_matrix base = matrix_make("lr", "", "flat", RANK, D);
    struct vkd_matrix centres = matrix_make("lr.c", "", "flat", IMAGES, RANK);
    struct vkd_matrix views = matrix_make("lr.v", "", "flat", IMAGES * VIEWS, RANK);
    for (uint32_t i = 0; i < IMAGES * VIEWS; i++)
        for (uint32_t k = 0; k < RANK; k++)
            for (uint32_t c = 0; c < D; c++)
                data[i][c] += 10 * (matrix_row(&centres, i / VIEWS)[k] + 0.3f * matrix_row(&views, i)[k]) *
                              matrix_row(&base, k)[c];
    double out;
    ck_assert_int_eq(vkd_lidar(&(struct vkd_matrix) { &data[0][0], IMAGES * VIEWS, D, 0 }, VIEWS, &test_log, &out), VKD_OK);
    ck_assert_double_eq_tol(out, 3.87730, 1e-4);
    matrix_free(&views);
    matrix_free(&centres);
    matrix_free(&base);
}
END_TEST

START_TEST(separation)
{
    json_t *golden = measures_open(), *c;
    size_t i;
    double out;
    json_array_foreach(json_object_get(golden, "separation"), i, c) {
        const char *name = case_text(c, "name");
        uint32_t n = case_count(c, "rows"), classes = case_count(c, "classes");
        struct vkd_matrix z = matrix_make(name, "", case_text(c, "kind"), n, case_count(c, "cols"));
        uint32_t *labels = labels_make(name, case_text(c, "kind"), n, classes);
        ck_assert_int_eq(vkd_class_separation(&z, labels, classes + 3, &test_log, &out), VKD_OK);
        check_case(c, "r2", out);
        free(labels);
        matrix_free(&z);
    }
    json_decref(golden);

    // Two classes, at right angles: 1; a row without a label and a zero row do not matter.
    float data[6][2] = { { 1, 0 }, { 5, 0 }, { 0, 2 }, { 0, 3 }, { 1, 1 }, { 0, 0 } };
    uint32_t labels[6] = { 0, 0, 3, 3, VKD_NO_LABEL, 0 };
    struct vkd_matrix z = { &data[0][0], 6, 2, 0 };
    ck_assert_int_eq(vkd_class_separation(&z, labels, 4, &test_log, &out), VKD_OK);
    ck_assert_double_eq_tol(out, 1, 1e-12);
    CHECK_ALLOCATIONS(vkd_class_separation(&z, labels, 4, NULL, &out));
    CHECK_REJECTED(vkd_class_separation(&z, labels, 3, &test_log, &out), "row 2 has 3");
    z.rows = 2;
    ck_assert_int_eq(vkd_class_separation(&z, labels, 4, &test_log, &out), VKD_OK);
    ck_assert(isnan(out));
    labels[0] = labels[1] = VKD_NO_LABEL;
    ck_assert_int_eq(vkd_class_separation(&z, labels, 4, &test_log, &out), VKD_OK);
    ck_assert(isnan(out));
    data[1][1] = INFINITY;
    CHECK_REJECTED(vkd_class_separation(&z, labels, 4, &test_log, &out), "row 1 column 1");
}
END_TEST

START_TEST(cka)
{
    json_t *golden = measures_open(), *c;
    size_t i;
    double out;
    json_array_foreach(json_object_get(golden, "cka"), i, c) {
        struct vkd_matrix x, y;
        struct vkd_cka_sums sums = { 0, 0, 0 };
        cka_make(c, &x, &y);
        ck_assert_int_eq(vkd_cka(&x, &y, NULL, &test_log, &out), VKD_OK);
        check_case(c, "full", out);
        ck_assert_int_eq(vkd_cka(&y, &x, NULL, &test_log, &out), VKD_OK);
        check_case(c, "full", out);
        ck_assert_int_eq(vkd_cka(&x, &x, NULL, &test_log, &out), VKD_OK);
        ck_assert_double_eq_tol(out, 1, 1e-12);
        for (uint32_t j = 0, batch = case_count(c, "batch"); j + batch <= x.rows; j += batch) {
            struct vkd_matrix xb = { matrix_row(&x, j), batch, x.cols, x.stride };
            struct vkd_matrix yb = { matrix_row(&y, j), batch, y.cols, y.stride };
            ck_assert_int_eq(vkd_cka_add(&sums, &xb, &yb, NULL, &test_log), VKD_OK);
        }
        check_case(c, "minibatch", vkd_cka_value(&sums));
        CHECK_ALLOCATIONS(vkd_cka(&x, &y, NULL, NULL, &out));
        CHECK_ALLOCATIONS(vkd_cka_add(&sums, &x, &y, NULL, NULL));
        matrix_free(&x);
        matrix_free(&y);
    }
    json_decref(golden);
}
END_TEST

START_TEST(cka_rules)
{
    float a[5][3] = { { 1, 2, 3 }, { 4, 5, 7 }, { 1, 0, 1 }, { 3, 3, 9 }, { 0, 1, 0 } }, b[5][2];
    for (uint32_t i = 0; i < 5; i++)
        b[i][0] = b[i][1] = 2;
    struct vkd_matrix x = { &a[0][0], 5, 3, 0 }, y = { &b[0][0], 5, 2, 0 };
    struct vkd_cka_sums sums = { 1, 2, 3 };
    double out = 7;
    ck_assert_int_eq(vkd_cka(&x, &y, NULL, &test_log, &out), VKD_OK);
    ck_assert(isnan(out));
    out = 7;
    ck_assert(isnan(vkd_cka_value(&(struct vkd_cka_sums) { 0, 0, 0 })));
    y.rows = 4;
    CHECK_REJECTED(vkd_cka(&x, &y, NULL, &test_log, &out), "found 5 and 4");
    x.rows = y.rows = 3;
    CHECK_REJECTED(vkd_cka_add(&sums, &x, &y, NULL, &test_log), "4 or more; found 3");
    a[2][2] = NAN;
    CHECK_REJECTED(vkd_cka(&x, &y, NULL, &test_log, &out), "X must be finite, row 2 column 2");
    CHECK_REJECTED(vkd_cka(&y, &x, NULL, &test_log, &out), "Y must be finite, row 2 column 2");
    ck_assert_double_eq(out, 7);
    ck_assert(sums.xy == 1 && sums.xx == 2 && sums.yy == 3);
}
END_TEST

// ---- Several threads at once ----

struct job {
    struct vkd_matrix z;
    double values[96], lidar, cka;
    vkd_result result;
};

static void run_job(void *arg)
{
    struct job *j = arg;
    for (uint32_t k = 0; k < 5 && j->result == VKD_OK; k++) {
        j->result = vkd_spectrum(&j->z, VKD_SPECTRUM_CENTRED, NULL, j->values);
        if (j->result == VKD_OK)
            j->result = vkd_lidar(&j->z, 4, NULL, &j->lidar);
        if (j->result == VKD_OK)
            j->result = vkd_cka(&j->z, &j->z, NULL, NULL, &j->cka);
    }
}

START_TEST(at_once)
{
    struct job jobs[4], alone = { .z = matrix_make("threads", "", "flat", 400, 96) };
    struct vkd__thread *running[4];
    run_job(&alone);
    for (uint32_t i = 0; i < 4; i++) {
        jobs[i] = (struct job) { .z = alone.z };
        ck_assert_int_eq(vkd__thread_start(&running[i], run_job, &jobs[i]), VKD_OK);
    }
    for (uint32_t i = 0; i < 4; i++) {
        vkd__thread_join(&running[i]);
        ck_assert_int_eq(jobs[i].result, VKD_OK);
        ck_assert_mem_eq(jobs[i].values, alone.values, sizeof(alone.values));
        ck_assert_mem_eq(&jobs[i].lidar, &alone.lidar, sizeof(double));
        ck_assert_mem_eq(&jobs[i].cka, &alone.cka, sizeof(double));
    }
    matrix_free(&alone.z);
}
END_TEST

START_TEST(bad_features)
{
    struct vkd_matrix z = matrix_make("bad", "", "flat", 9, 5), copy = z;
    double values[5], out = 3;
    CHECK_ALLOCATIONS(vkd_rankme(&z, NULL, &out));
    CHECK_ALLOCATIONS(vkd_feature_std(&z, NULL, &out));
    struct vkd_feature_measures all;
    CHECK_ALLOCATIONS(vkd_feature_measure(&z, NULL, &all));
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
    tcase_add_test(c, recorded_lidar);
    tcase_add_test(c, lidar_rules);
    tcase_add_test(c, lidar_of_few_directions);
    tcase_add_test(c, separation);
    tcase_add_test(c, cka);
    tcase_add_test(c, cka_rules);
    tcase_add_test(c, at_once);
    tcase_add_test(c, bad_features);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
