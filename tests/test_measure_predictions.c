// test_measure_predictions.c -- neighbours, accuracy and precision: against scikit-learn, by hand, bad input.
#include "measure_inputs.h"

// ---- Nearest neighbours ----

static void add_centres(struct vkd_matrix *m, const struct vkd_matrix *centres, const uint32_t *labels)
{
    for (uint32_t i = 0; i < m->rows; i++)
        for (uint32_t c = 0; c < m->cols; c++)
            matrix_row(m, i)[c] += matrix_row(centres, labels[i])[c];
}

START_TEST(recorded_knn)
{
    json_t *golden = measures_open(), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "knn"), i, c) {
        const char *name = case_text(c, "name");
        uint32_t n = case_count(c, "train"), m = case_count(c, "test"), d = case_count(c, "cols");
        uint32_t classes = case_count(c, "classes");
        struct vkd_matrix centres = matrix_make(name, ".centres", "flat", classes, d);
        struct vkd_knn_params p = {
            .train = matrix_make(name, ".train", "flat", n, d), .test = matrix_make(name, ".test", "flat", m, d),
            .classes = classes, .k = case_count(c, "k"),
            .temperature = json_double(json_object_get(c, "temperature")), .log = test_log,
        };
        uint32_t *labels = integers_make(name, ".labels", n, classes);
        uint32_t *test_labels = integers_make(name, ".test_labels", m, classes);
        uint32_t *predicted = malloc(m * sizeof(*predicted));
        add_centres(&p.train, &centres, labels);
        add_centres(&p.test, &centres, test_labels);
        p.train_labels = labels;
        p.test_labels = test_labels;
        struct vkd_knn_result out;
        ck_assert_int_eq(vkd_knn(&p, &out, predicted), VKD_OK);
        ck_assert_uint_eq(out.count, m);
        for (uint32_t j = 0; j < m; j++)
            ck_assert_uint_eq(predicted[j], json_integer_value(json_array_get(json_object_get(c, "predicted"), j)));
        check_case(c, "top1", out.top1);
        check_case(c, "top5", out.top5);
        free(predicted);
        free(test_labels);
        free(labels);
        matrix_free(&p.test);
        matrix_free(&p.train);
        matrix_free(&centres);
    }
    json_decref(golden);
}
END_TEST

// Ten clusters, more rows than a block has, so that neighbours come from several.
START_TEST(separable_clusters)
{
    enum { N = 9000, M = 1500, D = 13, CLASSES = 10 };
    struct vkd_matrix train = matrix_make("clusters", ".train", "flat", N, D);
    struct vkd_matrix test = matrix_make("clusters", ".test", "flat", M, D);
    uint32_t labels[N], test_labels[M], predicted[M], again[M];
    for (uint32_t i = 0; i < N; i++) {
        matrix_row(&train, i)[i % CLASSES] += 9;
        labels[i] = i % CLASSES;
    }
    for (uint32_t i = 0; i < M; i++) {
        matrix_row(&test, i)[i % CLASSES] += 9;
        test_labels[i] = i % 3 ? i % CLASSES : VKD_NO_LABEL;
    }
    struct vkd_knn_params p = { train, test, labels, test_labels, CLASSES, 200, 0.1, test_log };
    struct vkd_knn_result out;
    ck_assert_int_eq(vkd_knn(&p, &out, predicted), VKD_OK);
    ck_assert_uint_eq(out.count, 1000);
    ck_assert_double_eq(out.top1, 1);
    ck_assert_double_eq(out.top5, 1);
    for (uint32_t i = 0; i < M; i++)
        ck_assert_uint_eq(predicted[i], i % CLASSES);
    p.k = 5000;     // most of the votes are for other classes
    ck_assert_int_eq(vkd_knn(&p, &out, predicted), VKD_OK);
    ck_assert_int_eq(vkd_knn(&p, &out, again), VKD_OK);
    ck_assert_mem_eq(predicted, again, sizeof(again));
    matrix_free(&train);
    matrix_free(&test);
}
END_TEST

START_TEST(knn_rules)
{
    float train[6][2] = { { 1, 0 }, { 2, 0 }, { 0, 1 }, { 0, 5 }, { 0, 0 }, { 1, 0 } };
    float test[3][2] = { { 3, 0 }, { 1, 1 }, { 0, 0 } };
    uint32_t labels[6] = { 7, 3, 4, 4, 1, VKD_NO_LABEL }, test_labels[3] = { 7, 4, 1 }, predicted[3];
    struct vkd_knn_params p = { { &train[0][0], 6, 2, 0 }, { &test[0][0], 3, 2, 0 }, labels,
                                test_labels, 9, 1, 0.1, test_log };
    struct vkd_knn_result out;
    ck_assert_int_eq(vkd_knn(&p, &out, predicted), VKD_OK);
    ck_assert_uint_eq(predicted[0], 7);     // of two equal cosines the lower row
    ck_assert_uint_eq(predicted[1], 7);
    ck_assert_uint_eq(predicted[2], 7);     // a zero row: cosine 0 to all
    ck_assert_double_eq_tol(out.top1, 1.0 / 3, 1e-15);
    ck_assert_double_eq_tol(out.top5, 1.0 / 3, 1e-15);      // no votes for 4 and 1

    p.k = 2;
    ck_assert_int_eq(vkd_knn(&p, &out, predicted), VKD_OK);
    ck_assert_uint_eq(predicted[0], 3);     // of two equal votes the lower class
    ck_assert_double_eq_tol(out.top1, 0, 1e-15);
    ck_assert_double_eq_tol(out.top5, 1.0 / 3, 1e-15);

    p.k = 1000;                             // all five that have labels
    p.temperature = 1e-6;                   // e^(1 / T) is infinite
    ck_assert_int_eq(vkd_knn(&p, &out, predicted), VKD_OK);
    ck_assert_uint_eq(predicted[0], 3);
    ck_assert_uint_eq(predicted[1], 4);     // two votes against one and one
    ck_assert_uint_eq(predicted[2], 4);
    ck_assert_double_eq_tol(out.top5, 1, 1e-15);

    uint32_t unlabelled[3] = { VKD_NO_LABEL, VKD_NO_LABEL, VKD_NO_LABEL };
    p.test_labels = unlabelled;
    ck_assert_int_eq(vkd_knn(&p, &out, NULL), VKD_OK);
    ck_assert_uint_eq(out.count, 0);
    ck_assert(isnan(out.top1) && isnan(out.top5));
}
END_TEST

START_TEST(bad_knn)
{
    float train[2][2] = { { 1, 0 }, { 0, 1 } };
    uint32_t labels[2] = { 0, 1 }, wrong[2] = { 0, 2 }, none[2] = { VKD_NO_LABEL, VKD_NO_LABEL };
    const struct vkd_knn_params good = { { &train[0][0], 2, 2, 0 }, { &train[0][0], 2, 2, 0 }, labels, labels, 2, 1,
                                         0.1, test_log };
    struct vkd_knn_result out = { 77, 0, 0 };
    struct vkd_knn_params p = good;
    CHECK_ALLOCATIONS(vkd_knn(&p, &out, NULL));
    out.count = 77;
    p.test.cols = 1;
    CHECK_REJECTED(vkd_knn(&p, &out, NULL), "widths 2 and 1");
    p = good, p.temperature = 0;
    CHECK_REJECTED(vkd_knn(&p, &out, NULL), "temperature 0");
    p = good, p.temperature = NAN;
    CHECK_REJECTED(vkd_knn(&p, &out, NULL), "temperature nan");
    p = good, p.k = 0;
    CHECK_REJECTED(vkd_knn(&p, &out, NULL), "k 0");
    p = good, p.train_labels = wrong;
    CHECK_REJECTED(vkd_knn(&p, &out, NULL), "row 1 has 2");
    p = good, p.train_labels = none;
    CHECK_REJECTED(vkd_knn(&p, &out, NULL), "none of the 2");
    p = good, train[1][0] = NAN;
    CHECK_REJECTED(vkd_knn(&p, &out, NULL), "training features must be finite, row 1 column 0");
    ck_assert_uint_eq(out.count, 77);
}
END_TEST

// ---- Accuracy ----

START_TEST(recorded_accuracy)
{
    json_t *golden = measures_open(), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "accuracy"), i, c) {
        const char *name = case_text(c, "name");
        uint32_t n = case_count(c, "rows"), classes = case_count(c, "classes");
        uint32_t *labels = integers_make(name, ".labels", n, classes);
        uint32_t *predicted = integers_make(name, ".wrong", n, classes);
        double *per_class = malloc(classes * sizeof(*per_class));
        struct vkd_accuracy out;
        for (uint32_t j = 0; j < n; j++)
            if (golden_uniform(measure_name(name, ".right"), j) < 0.6)
                predicted[j] = labels[j];
        ck_assert_int_eq(vkd_accuracy_measure(predicted, labels, n, classes, &test_log, per_class, &out), VKD_OK);
        check_case(c, "top1", out.top1);
        check_case(c, "mean_per_class", out.mean_per_class);
        const json_t *stored = json_object_get(c, "per_class");
        for (uint32_t k = 0; k < classes; k++)
            check_number(name, "per class", per_class[k], json_double(json_array_get(stored, k)), 0);
        free(per_class);
        free(predicted);
        free(labels);
    }
    json_decref(golden);
}
END_TEST

START_TEST(accuracy_rules)
{
    const uint32_t labels[6] = { 0, 0, 0, 2, VKD_NO_LABEL, 2 }, predicted[6] = { 0, 0, 1, 2, 0, VKD_NO_LABEL };
    double per_class[4];
    struct vkd_accuracy out;
    ck_assert_int_eq(vkd_accuracy_measure(predicted, labels, 6, 4, NULL, per_class, &out), VKD_OK);
    ck_assert_uint_eq(out.count, 5);
    ck_assert_uint_eq(out.classes, 2);
    ck_assert_double_eq_tol(out.top1, 0.6, 1e-15);
    ck_assert_double_eq_tol(out.mean_per_class, (2.0 / 3 + 0.5) / 2, 1e-15);
    ck_assert(isnan(per_class[1]) && isnan(per_class[3]));
    ck_assert_int_eq(vkd_accuracy_measure(predicted, labels, 0, 4, NULL, NULL, &out), VKD_OK);
    ck_assert(isnan(out.top1) && isnan(out.mean_per_class));
    CHECK_REJECTED(vkd_accuracy_measure(predicted, labels, 6, 2, &test_log, NULL, &out), "example 3 has 2");
    CHECK_ALLOCATIONS(vkd_accuracy_measure(predicted, labels, 6, 4, NULL, NULL, &out));
}
END_TEST

// ---- Precision ----

START_TEST(recorded_precision)
{
    json_t *golden = measures_open(), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "precision"), i, c) {
        const char *name = case_text(c, "name");
        uint32_t n = case_count(c, "rows"), classes = case_count(c, "classes");
        double steps = json_double(json_object_get(c, "steps")), positive = json_double(json_object_get(c, "positive"));
        float *scores = malloc(n * classes * sizeof(*scores));
        int8_t *truth = malloc(n * classes);
        struct vkd_ap *per_class = malloc(classes * sizeof(*per_class));
        struct vkd_map map;
        for (uint32_t j = 0; j < n * classes; j++) {
            double u = golden_uniform(measure_name(name, ".truth"), j);
            scores[j] = (float) floor(golden_uniform(measure_name(name, ".scores"), j) * steps);
            truth[j] = u >= 0.9 ? VKD_TRUTH_UNKNOWN : u < positive * (j % classes) / classes;
        }
        struct vkd_matrix m = { scores, n, classes, 0 };
        ck_assert_int_eq(vkd_average_precision(&m, truth, &test_log, per_class, &map), VKD_OK);
        for (uint32_t k = 0; k < classes; k++) {
            json_t *row = json_array_get(json_object_get(c, "per_class"), k);
            const double found[5] = { per_class[k].positives, per_class[k].negatives, per_class[k].voc11,
                                      per_class[k].voc_all, per_class[k].plain };
            for (uint32_t j = 0; j < 5; j++)
                check_number(name, "per class", found[j], json_double(json_array_get(row, j)), 0);
        }
        const double found[3] = { map.voc11, map.voc_all, map.plain };
        for (uint32_t j = 0; j < 3; j++)
            check_number(name, "mean", found[j], json_double(json_array_get(json_object_get(c, "mean"), j)), 0);
        ck_assert_uint_eq(map.classes, case_count(c, "kept"));
        free(per_class);
        free(truth);
        free(scores);
    }
    json_decref(golden);
}
END_TEST

// Class 0 ranks yes, no, yes, no; class 1 has equal scores alone; class 2 no positives; class 3 is perfect.
START_TEST(precision_by_hand)
{
    const float scores[4][4] = { { 9, 5, 1, 8 }, { 7, 5, 2, 7 }, { 5, 5, 3, 6 }, { 3, 5, 4, 5 } };
    int8_t truth[16] = { 1, 0, 0, 1,   0, 1, 0, 1,   1, 0, -1, 0,   0, 0, 0, -1 };
    struct vkd_matrix m = { &scores[0][0], 4, 4, 0 };
    struct vkd_ap ap[4];
    struct vkd_map map;
    ck_assert_int_eq(vkd_average_precision(&m, truth, &test_log, ap, &map), VKD_OK);
    ck_assert_double_eq_tol(ap[0].plain, (1 + 2.0 / 3) / 2, 1e-15);
    ck_assert_double_eq_tol(ap[0].voc_all, (1 + 2.0 / 3) / 2, 1e-15);
    ck_assert_double_eq_tol(ap[0].voc11, (6 + 5 * 2.0 / 3) / 11, 1e-15);
    ck_assert_double_eq_tol(ap[1].plain, 0.25, 1e-15);
    ck_assert_double_eq_tol(ap[1].voc11, 0.25, 1e-15);
    ck_assert(isnan(ap[2].plain) && isnan(ap[2].voc11) && isnan(ap[2].voc_all));
    ck_assert_uint_eq(ap[2].negatives, 3);
    ck_assert_double_eq_tol(ap[3].voc11, 1, 1e-15);
    ck_assert_double_eq_tol(ap[3].plain, 1, 1e-15);
    ck_assert_uint_eq(map.classes, 3);
    ck_assert_double_eq_tol(map.plain, (2.5 / 3 + 0.25 + 1) / 3, 1e-15);

    CHECK_ALLOCATIONS(vkd_average_precision(&m, truth, NULL, NULL, &map));
    truth[6] = 2;
    CHECK_REJECTED(vkd_average_precision(&m, truth, &test_log, ap, &map), "row 1 class 2 is 2");
    memset(truth, -1, sizeof(truth));
    ck_assert_int_eq(vkd_average_precision(&m, truth, &test_log, NULL, &map), VKD_OK);
    ck_assert_uint_eq(map.classes, 0);
    ck_assert(isnan(map.voc11) && isnan(map.voc_all) && isnan(map.plain));
}
END_TEST

START_TEST(log_odds)
{
    ck_assert_double_eq_tol(vkd_log_odds(0.5, 10), 0, 1e-15);
    ck_assert_double_eq_tol(vkd_log_odds(0.75, 100), log(3), 1e-15);
    ck_assert_double_eq_tol(vkd_log_odds(1, 100), log(0.995 / 0.005), 1e-12);
    ck_assert_double_eq_tol(vkd_log_odds(0, 100), -log(0.995 / 0.005), 1e-12);
    ck_assert_double_eq_tol(vkd_log_odds(1, 1), 0, 1e-15);
    ck_assert(isnan(vkd_log_odds(0.5, 0)) && isnan(vkd_log_odds(NAN, 9)));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("measure_predictions");
    TCase *c = tcase_create("measure_predictions");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, recorded_knn);
    tcase_add_test(c, separable_clusters);
    tcase_add_test(c, knn_rules);
    tcase_add_test(c, bad_knn);
    tcase_add_test(c, recorded_accuracy);
    tcase_add_test(c, accuracy_rules);
    tcase_add_test(c, recorded_precision);
    tcase_add_test(c, precision_by_hand);
    tcase_add_test(c, log_odds);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
