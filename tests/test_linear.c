// test_linear.c -- the linear protocol: against scikit-learn, odd data, bad input.
#include "measure_inputs.h"

#include <vkdiv/linear.h>

static json_t *linear_open(void)
{
    json_t *golden = json_load_file(VKD_SOURCE_DIR "/tests/golden/linear.json", 0, NULL);
    ck_assert_ptr_nonnull(golden);
    return golden;
}

static void keep_warning(void *user, enum vkd_log_level level, const char *text)
{
    if (level <= VKD_LOG_WARNING)
        keep_log(user, level, text);
}

static const struct vkd_log warnings = { keep_warning, NULL };

// ---- The tasks of record_linear.py ----

struct task {
    struct vkd_matrix x;
    uint32_t *labels;
    int8_t *truth;
    uint32_t classes;
};

static struct task task_make(const char *name, uint32_t n, uint32_t d, uint32_t classes, bool relu)
{
    struct vkd_matrix noise = matrix_make(name, ".noise", "decay", n, d);
    struct vkd_matrix centres = matrix_make(name, ".centres", "decay", classes, d);
    struct task t = { noise, integers_make(name, ".labels", n, classes), NULL, classes };
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t c = 0; c < d; c++) {
            float *x = &matrix_row(&noise, i)[c], sum = matrix_row(&centres, t.labels[i])[c] + *x;
            sum += *x;
            *x = relu && sum < 0 ? 0 : sum;
        }
    }
    matrix_free(&centres);
    return t;
}

// Labels of a task that is made of three classes.
static struct task task_of_labels(const char *name, uint32_t n, uint32_t d, uint32_t labels)
{
    struct task t = task_make(name, n, d, 3, false);
    char full[96];
    snprintf(full, sizeof(full), "measure.%s.doubt", name);
    float *doubt = golden_numbers(full, (uint64_t) n * labels, -1, 1);
    t.truth = malloc((size_t) n * labels);
    t.classes = labels;
    for (uint32_t i = 0; i < n * labels; i++) {
        float half = 0.5f * doubt[i], x = matrix_row(&t.x, i / labels)[i % labels] + half;
        float threshold = 0.1f * (float) (i % labels);
        bool unknown = golden_uniform(measure_name(name, ".unknown"), i) >= 0.9;
        t.truth[i] = unknown ? VKD_TRUTH_UNKNOWN : x > threshold;
    }
    free(doubt);
    return t;
}

static void task_free(struct task *t)
{
    free(t->truth);
    free(t->labels);
    matrix_free(&t->x);
}

static struct vkd_linear_set rows_of(const struct task *t, uint32_t first, uint32_t count)
{
    struct vkd_matrix x = t->x;
    x.data += (uint64_t) first * x.stride;
    x.rows = count;
    return (struct vkd_linear_set) { x, t->truth ? NULL : t->labels + first,
                                     t->truth ? t->truth + (uint64_t) first * t->classes : NULL };
}

static struct vkd_linear_params of_task(const struct task *t)
{
    return (struct vkd_linear_params) { .train = rows_of(t, 0, t->x.rows), .classes = t->classes,
                                        .multi_label = t->truth != NULL,
                                        .choice = t->truth ? VKD_LINEAR_PLAIN_AP : VKD_LINEAR_TOP1, .log = warnings };
}

// ---- Against scikit-learn ----

static void check_coefficients(const json_t *c, const char *key, const double *found, uint32_t count, double scale)
{
    const json_t *stored = json_object_get(c, key);
    ck_assert_uint_eq(json_array_size(stored), count);
    for (uint32_t i = 0; i < count; i++) {
        double expected = json_number_value(json_array_get(stored, i));
        ck_assert_msg(fabs(found[i] - expected) <= 3e-4 * scale, "%s, %s %u: expected %.9g, found %.9g",
                      case_text(c, "name"), key, i, expected, found[i]);
    }
}

static void check_model(const json_t *c, const struct vkd_linear *l)
{
    const json_t *w = json_object_get(c, "w");
    double scale = 0;
    for (size_t i = 0; i < json_array_size(w); i++)
        scale = fmax(scale, fabs(json_number_value(json_array_get(w, i))));
    check_coefficients(c, "w", l->weights, l->features * l->classes, scale);
    check_coefficients(c, "b", l->bias, l->classes, scale);
}

START_TEST(recorded_fixed)
{
    json_t *golden = linear_open(), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "fixed"), i, c) {
        struct task t = task_make(case_text(c, "name"), case_count(c, "rows"), case_count(c, "cols"),
                                  case_count(c, "classes"), json_is_true(json_object_get(c, "relu")));
        const json_t *weights = json_object_get(c, "weights");
        const double penalty = json_number_value(json_object_get(c, "penalty"));
        double given[8] = { 0 };
        struct vkd_linear_params p = of_task(&t);
        struct vkd_linear l;
        for (size_t k = 0; k < json_array_size(weights); k++)
            given[k] = json_number_value(json_array_get(weights, k));
        p.penalties = &penalty;
        p.penalty_count = 1;
        p.tolerance = 1e-7;
        p.standardise = json_is_true(json_object_get(c, "standardise"));
        p.class_weights = given;
        p.weighing = json_is_array(weights) ? VKD_LINEAR_GIVEN : !strcmp(json_string_value(weights), "balanced") ?
                     VKD_LINEAR_BALANCED : VKD_LINEAR_UNWEIGHTED;
        ck_assert_msg(vkd_linear_path(&p, &l) == VKD_OK, "%s: %s", case_text(c, "name"), last_log);
        check_model(c, &l);
        ck_assert(isnan(l.curve[0]) && isnan(l.val_scores[0]) && !l.scores && !l.predictions);
        vkd_linear_finish(&l);
        task_free(&t);
    }
    json_decref(golden);
}
END_TEST

START_TEST(recorded_fixed_labels)
{
    json_t *golden = linear_open(), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "fixed_labels"), i, c) {
        struct task t = task_of_labels(case_text(c, "name"), case_count(c, "rows"), case_count(c, "cols"),
                                       case_count(c, "labels"));
        const double penalty = json_number_value(json_object_get(c, "penalty"));
        struct vkd_linear_params p = of_task(&t);
        struct vkd_linear l;
        p.penalties = &penalty;
        p.penalty_count = 1;
        p.tolerance = 1e-7;
        p.weighing = strcmp(case_text(c, "weights"), "balanced") ? VKD_LINEAR_UNWEIGHTED : VKD_LINEAR_BALANCED;
        ck_assert_msg(vkd_linear_path(&p, &l) == VKD_OK, "%s: %s", case_text(c, "name"), last_log);
        check_model(c, &l);
        vkd_linear_finish(&l);
        task_free(&t);
    }
    json_decref(golden);
}
END_TEST

static void check_near(const json_t *c, const char *key, uint32_t index, double found, double distance)
{
    const json_t *stored = json_object_get(c, key);
    double expected = json_number_value(json_is_array(stored) ? json_array_get(stored, index) : stored);
    ck_assert_msg(fabs(found - expected) <= distance, "%s, %s %u: expected %.9g, found %.9g", case_text(c, "name"), key,
                  index, expected, found);
}

static uint32_t case_rows(const json_t *c, uint32_t split)
{
    return (uint32_t) json_integer_value(json_array_get(json_object_get(c, "rows"), split));
}

static struct vkd_linear_params of_splits(const struct task *t, const json_t *c)
{
    struct vkd_linear_params p = of_task(t);
    const uint32_t train = case_rows(c, 0), val = case_rows(c, 1), test = case_rows(c, 2);
    p.train = rows_of(t, 0, train);
    p.val = rows_of(t, train, val);
    p.test = rows_of(t, train + val, test);
    return p;
}

// Made, or what a trained network made.
static struct task path_task(const json_t *c, uint32_t rows)
{
    const char *name = case_text(c, "name"), *kind = case_text(c, "kind");
    const uint32_t d = case_count(c, "cols"), classes = case_count(c, "classes");
    if (strcmp(kind, "trained"))
        return task_make(name, rows, d, classes, true);
    return (struct task) { matrix_make(name, "", kind, rows, d), labels_make(name, kind, rows, classes), NULL, classes };
}

START_TEST(recorded_path)
{
    json_t *golden = linear_open(), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "path"), i, c) {
        const uint32_t rows = case_rows(c, 0) + case_rows(c, 1) + case_rows(c, 2);
        struct task t = path_task(c, rows);
        struct vkd_linear_params p = of_splits(&t, c);
        struct vkd_linear l, again;
        struct vkd_accuracy a;
        // A fit that ends where scikit-learn's does puts up to two images on the other side, a tighter one at most one.
        const double image = 1.0 / p.val.features.rows, loose = fmax(0.005, 2.01 * image), tight = fmax(0.0011, 1.01 * image);
        const bool made = strcmp(case_text(c, "kind"), "trained") != 0;
        ck_assert_int_eq(vkd_linear_path(&p, &l), VKD_OK);
        ck_assert_uint_eq(l.penalty_count, VKD_LINEAR_PENALTIES);
        for (uint32_t k = 0; k < l.penalty_count; k++)
            check_near(c, "curve", k, l.curve[k], loose);
        ck_assert_double_eq(l.val_scores[0], l.curve[l.chosen[0]]);
        ck_assert_double_eq(l.val_scores[0], l.curve_mean[l.chosen[0]]);
        ck_assert_int_eq(vkd_accuracy_measure(l.predictions, p.test.labels, p.test.features.rows, l.classes, NULL, NULL,
                                              &a), VKD_OK);
        check_near(c, "top1", 0, a.top1, 0.003);
        ck_assert(l.unfinished <= (made ? 0 : 3));      // almost without penalty there may be no end

        ck_assert_int_eq(vkd_linear_path(&p, &again), VKD_OK);
        ck_assert_mem_eq(l.weights, again.weights, (size_t) l.features * l.classes * sizeof(double));
        float *scores = malloc((size_t) p.test.features.rows * l.classes * sizeof(float));
        ck_assert_int_eq(vkd_linear_scores(&again, &p.test.features, &test_log, scores), VKD_OK);
        ck_assert_mem_eq(scores, l.scores, (size_t) p.test.features.rows * l.classes * sizeof(float));
        free(scores);
        vkd_linear_finish(&again);

        p.choice = VKD_LINEAR_MEAN_PER_CLASS;
        ck_assert_int_eq(vkd_linear_path(&p, &again), VKD_OK);
        for (uint32_t k = 0; k < l.penalty_count; k++)
            check_near(c, "mean_per_class", k, again.curve[k], made ? 0.005 : 1.5 * loose);
        vkd_linear_finish(&again);

        p.choice = VKD_LINEAR_TOP1;
        p.tolerance = 1e-4;
        p.iterations = 2000;
        ck_assert_int_eq(vkd_linear_path(&p, &again), VKD_OK);
        for (uint32_t k = 0; k < l.penalty_count; k++)
            check_near(c, "curve", k, again.curve[k], tight);
        vkd_linear_finish(&again);
        vkd_linear_finish(&l);
        task_free(&t);
    }
    json_decref(golden);
}
END_TEST

START_TEST(recorded_path_labels)
{
    json_t *golden = linear_open(), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "path_labels"), i, c) {
        const uint32_t rows = case_rows(c, 0) + case_rows(c, 1) + case_rows(c, 2), labels = case_count(c, "labels");
        struct task t = task_of_labels(case_text(c, "name"), rows, case_count(c, "cols"), labels);
        struct vkd_linear_params p = of_splits(&t, c);
        struct vkd_linear l;
        struct vkd_ap ap[8];
        struct vkd_map map;
        ck_assert_int_eq(vkd_linear_path(&p, &l), VKD_OK);
        ck_assert_uint_eq(l.models, labels);
        for (uint32_t k = 0; k < l.penalty_count * labels; k++)
            check_near(c, "curve", k, l.curve[k], 0.003);
        const struct vkd_matrix scores = { l.scores, p.test.features.rows, labels, 0 };
        ck_assert_int_eq(vkd_average_precision(&scores, p.test.truth, NULL, ap, &map), VKD_OK);
        for (uint32_t k = 0; k < labels; k++) {
            check_near(c, "ap", k, ap[k].plain, 0.003);
            ck_assert_double_eq(l.val_scores[k], l.curve[l.chosen[k] * labels + k]);
        }
        check_near(c, "map", 0, map.plain, 0.003);
        ck_assert_ptr_null(l.predictions);
        vkd_linear_finish(&l);
        task_free(&t);
    }
    json_decref(golden);
}
END_TEST

// ---- Odd data ----

static double right(const struct vkd_linear *l, const struct vkd_linear_set *s)
{
    struct vkd_accuracy a;
    ck_assert_int_eq(vkd_accuracy_measure(l->predictions, s->labels, s->features.rows, l->classes, NULL, NULL, &a), VKD_OK);
    return a.top1;
}

// Columns that are constant, a copy, a multiple, zero, or a millionth and a million: predictions are finite, and the
// constant one has no weight.
START_TEST(odd_columns)
{
    enum { N = 90 };
    float x[N][7];
    uint32_t labels[N];
    for (uint32_t i = 0; i < N; i++) {
        float u = (float) golden_uniform("odd.u", i), v = (float) golden_uniform("odd.v", i);
        labels[i] = i % 3;
        x[i][0] = u + (float) labels[i], x[i][1] = 5, x[i][2] = x[i][0], x[i][3] = -2 * x[i][0], x[i][4] = 0;
        x[i][5] = 1e-6f * v, x[i][6] = 1e6f * (v + u);
    }
    const struct vkd_linear_set all = { { &x[0][0], N, 7, 0 }, labels, NULL };
    struct vkd_linear_params p = { .train = all, .val = all, .test = all, .classes = 3, .log = test_log };
    struct vkd_linear l;
    for (int standardise = 0; standardise < 2; standardise++) {
        p.standardise = standardise;
        ck_assert_int_eq(vkd_linear_path(&p, &l), VKD_OK);
        ck_assert_double_gt(right(&l, &all), 0.95);
        for (uint32_t c = 0; c < 3; c++) {
            ck_assert_double_eq_tol(l.weights[1 * 3 + c], 0, 1e-9);
            ck_assert_double_eq_tol(l.weights[4 * 3 + c], 0, 1e-9);
            ck_assert_double_eq_tol(l.weights[0 * 3 + c], l.weights[2 * 3 + c], 1e-4 * fabs(l.weights[c]) + 1e-9);
        }
        vkd_linear_finish(&l);
    }

    // Nothing but constants: the class that most rows have.
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t c = 0; c < 7; c++)
            x[i][c] = (float) c;
    for (uint32_t i = 0; i < N; i++)
        labels[i] = i < 40 ? 2 : i % 2;
    ck_assert_int_eq(vkd_linear_path(&p, &l), VKD_OK);
    for (uint32_t i = 0; i < N; i++)
        ck_assert_uint_eq(l.predictions[i], 2);
    ck_assert_uint_eq(l.chosen[0], 0);      // all penalties score the same: the strongest
    ck_assert_double_eq_tol(exp(l.bias[2] - l.bias[0]), 40.0 / 25, 0.02);
    vkd_linear_finish(&l);
}
END_TEST

// Classes far apart, a penalty of next to nothing: the optimum is far away, and all is right long before.
START_TEST(separable)
{
    enum { N = 120, D = 200 };
    float x[N][D];
    uint32_t labels[N];
    double penalties[2] = { 1e-3, 1e-9 };
    for (uint32_t i = 0; i < N; i++) {
        labels[i] = i % 4;
        for (uint32_t c = 0; c < D; c++)
            x[i][c] = (float) golden_uniform("separable", i * D + c) + (c == labels[i] ? 3 : 0);
    }
    const struct vkd_linear_set all = { { &x[0][0], N, D, 0 }, labels, NULL };
    struct vkd_linear_params p = { .train = all, .val = all, .test = all, .classes = 4, .penalties = penalties,
                                   .penalty_count = 2, .log = test_log };
    struct vkd_linear l;
    ck_assert_int_eq(vkd_linear_path(&p, &l), VKD_OK);
    ck_assert_double_eq(right(&l, &all), 1);
    ck_assert_double_eq(l.curve[1], 1);
    for (uint32_t i = 0; i < D * 4; i++)
        ck_assert(isfinite(l.weights[i]));
    vkd_linear_finish(&l);
}
END_TEST

// A class without rows in train, labels without positives or negatives, rows without labels.
START_TEST(missing_classes)
{
    struct task t = task_make("linear.missing", 120, 6, 4, false);
    const char *const names[4] = { "ant", "bee", "cat", "dog" };
    struct vkd_linear_params p = of_task(&t);
    struct vkd_linear l, fewer;
    for (uint32_t i = 0; i < 120; i++)
        if (t.labels[i] == 2 && i < 60)
            t.labels[i] = VKD_NO_LABEL;
    p.class_names = names;
    p.train = rows_of(&t, 0, 40);
    p.val = rows_of(&t, 40, 20);
    p.test = rows_of(&t, 60, 60);
    ck_assert_int_eq(vkd_linear_path(&p, &l), VKD_OK);
    ck_assert_msg(strstr(last_log, "train lacks 1 class that val or test has") && strstr(last_log, ": cat;"), "%s", last_log);
    ck_assert_uint_eq(l.constant[2], 1);
    ck_assert_uint_eq(l.constant[0] + l.constant[1] + l.constant[3], 0);
    ck_assert_double_eq(l.bias[2], -1e9);
    for (uint32_t i = 0; i < 60; i++)
        ck_assert_uint_ne(l.predictions[i], 2);

    // Rows without a label change nothing else.
    struct vkd_linear_params kept = p;
    uint32_t n = 0, m = 0;
    for (uint32_t i = 0; i < 60; i++) {
        if (t.labels[i] == VKD_NO_LABEL)
            continue;
        memmove(matrix_row(&t.x, n), matrix_row(&t.x, i), t.x.cols * sizeof(float));
        t.labels[n++] = t.labels[i];
        m += i < 40;
    }
    kept.train = rows_of(&t, 0, m);
    kept.val = rows_of(&t, m, n - m);
    kept.tolerance = p.tolerance = 1e-6;
    ck_assert_int_eq(vkd_linear_path(&kept, &fewer), VKD_OK);
    for (uint32_t i = 0; i < l.penalty_count; i++)
        ck_assert_double_eq_tol(l.curve[i], fewer.curve[i], 0.051);
    vkd_linear_finish(&fewer);
    vkd_linear_finish(&l);

    for (uint32_t i = 0; i < 40; i++)
        t.labels[i] = 1;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "expected rows of two classes or more in train, found 1 class");
    for (uint32_t i = 0; i < 40; i++)
        t.labels[i] = VKD_NO_LABEL;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "none of the rows of train has a label");
    task_free(&t);
}
END_TEST

START_TEST(missing_labels)
{
    struct task t = task_of_labels("linear.missing_labels", 150, 8, 5);
    struct vkd_linear_params p = of_task(&t);
    struct vkd_linear l;
    for (uint32_t i = 0; i < 150; i++) {
        int8_t *row = t.truth + i * 5;
        row[1] = i < 80 ? VKD_TRUTH_NO : row[1];                            // no positives in train
        row[2] = i < 120 ? VKD_TRUTH_YES : row[2];                          // no negatives in train and val
        row[3] = i >= 80 && i < 120 ? VKD_TRUTH_NO : row[3];                // no positives in val
        row[4] = i < 150 ? VKD_TRUTH_UNKNOWN : 0;                           // nothing known
    }
    p.train = rows_of(&t, 0, 80);
    p.val = rows_of(&t, 80, 40);
    p.test = rows_of(&t, 120, 30);
    ck_assert_int_eq(vkd_linear_path(&p, &l), VKD_OK);
    ck_assert_msg(strstr(last_log, "train lacks positives, or negatives, of 2 classes that val or test has: 1, 2;"), "%s",
                  last_log);
    const uint8_t constant[5] = { 0, 0, 1, 0, 1 };      // 1 has positives in val, and is fitted on both
    ck_assert_mem_eq(l.constant, constant, 5);
    ck_assert_double_eq_tol(l.bias[2], log(120.5 / 0.5), 1e-12);
    ck_assert_double_eq_tol(l.bias[4], 0, 1e-12);
    for (uint32_t i = 0; i < 30; i++) {
        ck_assert_float_eq(l.scores[i * 5 + 2], l.scores[2]);
        ck_assert_float_eq(l.scores[i * 5 + 4], 0);
    }
    ck_assert_float_ne(l.scores[1], l.scores[5 + 1]);
    ck_assert(isnan(l.val_scores[3]) && isnan(l.val_scores[4]));
    uint32_t best = 0;
    for (uint32_t i = 0; i < l.penalty_count; i++)
        best = l.curve_mean[i] > l.curve_mean[best] ? i : best;
    ck_assert_uint_eq(l.chosen[3], best);
    ck_assert_uint_eq(l.chosen[1], 0);      // constant on val whatever the penalty
    vkd_linear_finish(&l);

    for (uint32_t i = 80 * 5; i < 120 * 5; i++)
        t.truth[i] = VKD_TRUTH_NO;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "none of the 5 labels has positives in val");
    memset(t.truth, VKD_TRUTH_UNKNOWN, 150 * 5);
    CHECK_REJECTED(vkd_linear_path(&p, &l), "expected a label with positives and negatives in train, found 0");
    task_free(&t);
}
END_TEST

// ---- Calling ----

static uint32_t fits_begun, stop_after;

static void count_fits(void *user, uint32_t fit, uint32_t fits)
{
    (void) user;
    ck_assert_uint_eq(fit, fits_begun);
    ck_assert_uint_eq(fits, VKD_LINEAR_PENALTIES + 1);
    fits_begun++;
}

static bool stop_at(void *user)
{
    (void) user;
    return fits_begun > stop_after;
}

START_TEST(progress_and_stop)
{
    struct task t = task_make("linear.stop", 90, 6, 3, true);
    struct vkd_linear_params p = of_task(&t);
    struct vkd_linear l = { .models = 77 };
    p.train = rows_of(&t, 0, 60);
    p.val = rows_of(&t, 60, 30);
    p.progress = count_fits;
    p.stop = stop_at;
    stop_after = 20;
    ck_assert_int_eq(vkd_linear_path(&p, &l), VKD_INTERRUPTED);
    ck_assert_uint_eq(fits_begun, 21);
    ck_assert_uint_eq(l.models, 77);
    fits_begun = 0;
    stop_after = 1000;
    ck_assert_int_eq(vkd_linear_path(&p, &l), VKD_OK);
    ck_assert_uint_eq(fits_begun, VKD_LINEAR_PENALTIES + 1);
    vkd_linear_finish(&l);
    vkd_linear_finish(&l);
    p.progress = NULL;
    p.iterations = 1;
    ck_assert_int_eq(vkd_linear_path(&p, &l), VKD_OK);
    ck_assert_uint_gt(l.unfinished, 0);
    vkd_linear_finish(&l);
    task_free(&t);
}
END_TEST

START_TEST(bad_input)
{
    struct task t = task_make("linear.bad", 60, 5, 3, true);
    double weights[3] = { 1, 1, 0 }, penalties[2] = { 1, 2 };
    struct vkd_linear_params good = of_task(&t), p;
    struct vkd_linear l = { .models = 77 };
    good.train = rows_of(&t, 0, 40);
    good.val = rows_of(&t, 40, 10);
    good.test = rows_of(&t, 50, 10);
    p = good, p.classes = 1;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "at least two classes");
    p = good, p.classes = 2;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "labels must be below 2 classes");
    p = good, p.choice = VKD_LINEAR_PLAIN_AP;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "a choice by average precision");
    p = good, p.multi_label = true;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "a choice by average precision");
    p = good, p.val.features.cols = 4;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "val must have labels and the 5 columns of train, found 4");
    p = good, p.train.labels = NULL;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "train must have labels");
    p = good, p.weighing = VKD_LINEAR_GIVEN, p.class_weights = weights;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "a weight between");
    p = good, p.penalties = penalties, p.penalty_count = 2;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "from strong to weak");
    penalties[0] = NAN;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "penalties above 0");
    p = good, p.val.features.rows = 0;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "a val split to choose");
    p = good, p.tolerance = -1;
    CHECK_REJECTED(vkd_linear_path(&p, &l), "a tolerance above 0");
    float *bad = &matrix_row(&t.x, 45)[3], was = *bad;
    *bad = NAN;
    CHECK_REJECTED(vkd_linear_path(&good, &l), "features of val must be finite, row 5 column 3");
    *bad = was;
    ck_assert_uint_eq(l.models, 77);
    CHECK_ALLOCATIONS(vkd_linear_path(&good, &l));

    float scores[60 * 3];
    p.test.features.cols = 4;
    CHECK_REJECTED(vkd_linear_scores(&l, &p.test.features, &test_log, scores), "the model is of 5 features, found 4");
    CHECK_ALLOCATIONS(vkd_linear_scores(&l, &good.test.features, NULL, scores));
    ck_assert_mem_eq(scores, l.scores, 10 * 3 * sizeof(float));
    vkd_linear_finish(&l);
    task_free(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("linear");
    TCase *c = tcase_create("linear");
    tcase_set_timeout(c, 240);
    tcase_add_test(c, recorded_fixed);
    tcase_add_test(c, recorded_fixed_labels);
    tcase_add_test(c, recorded_path);
    tcase_add_test(c, recorded_path_labels);
    tcase_add_test(c, odd_columns);
    tcase_add_test(c, separable);
    tcase_add_test(c, missing_classes);
    tcase_add_test(c, missing_labels);
    tcase_add_test(c, progress_and_stop);
    tcase_add_test(c, bad_input);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
