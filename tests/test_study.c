// test_study.c -- the joint model: against NumPy, on tables whose truth is known, on too little, on bad input.
#include "stats_inputs.h"

#include <vkdiv/study.h>

enum { MODELS = 64, MEASURES = 6, TASKS = 4 };

struct made {
    struct vkd_study_table t;
    uint32_t clusters[MODELS];
    double accuracy[MODELS], diversity[MODELS * MEASURES], transfer[MODELS * TASKS];
};

static const char *const names[] = { "first", "second", "third", "fourth", "fifth", "sixth" };

// Of one seed's and its recipe's numbers: recipe[i / seeds] + share * own[i].
static void mix(const char *name, const char *what, uint32_t recipes, uint32_t seeds, double share, double *out)
{
    double recipe[MODELS], own[MODELS];
    char suffix[32];
    snprintf(suffix, sizeof(suffix), ".%s", what);
    values_make(name, suffix, recipes, 0, recipe);
    snprintf(suffix, sizeof(suffix), ".%.1ss%s", what, what + 1);
    values_make(name, suffix, recipes * seeds, 0, own);
    for (uint32_t i = 0; i < recipes * seeds; i++)
        out[i] = recipe[i / seeds] + share * own[i];
}

// table() of record_study.py. `confounded`: the first measure is accuracy, nearly, and has no effect of its own.
static void make(struct made *m, const char *name, uint32_t recipes, uint32_t seeds, uint32_t tasks, uint32_t measures,
                 double effect, bool confounded)
{
    const uint32_t n = recipes * seeds;
    double a[MODELS], as[MODELS], column[MODELS], y[MODELS];
    values_make(name, ".a", recipes, 0, a);
    values_make(name, ".as", n, 0, as);
    for (uint32_t i = 0; i < n; i++) {
        m->clusters[i] = i / seeds;
        m->accuracy[i] = 2 * a[i / seeds] + 0.2 * as[i];
    }
    for (uint32_t k = 0; k < measures; k++) {
        char what[16];
        snprintf(what, sizeof(what), "d%u", k);
        mix(name, what, recipes, seeds, 0.2, column);
        for (uint32_t i = 0; i < n; i++)
            m->diversity[i * measures + k] = confounded && !k ? m->accuracy[i] + 0.3 * column[i] : column[i];
    }
    values_make(name, ".y", recipes, 0, y);
    values_make(name, ".ys", n, 0, column);
    for (uint32_t k = 0; k < tasks; k++) {
        double t[MODELS];
        char suffix[16];
        snprintf(suffix, sizeof(suffix), ".t%u", k);
        values_make(name, suffix, n, 0, t);
        for (uint32_t i = 0; i < n; i++)
            m->transfer[i * tasks + k] = m->accuracy[i] + (confounded ? 0 : effect * m->diversity[i * measures]) +
                                         0.3 * y[i / seeds] + 0.1 * column[i] + k + 0.2 * t[i];
    }
    m->t = (struct vkd_study_table) {
        .models = n, .measures = measures, .tasks = tasks, .clusters = m->clusters, .accuracy = m->accuracy,
        .diversity = m->diversity, .transfer = m->transfer, .measure_names = names, .task_names = names,
    };
}

static struct vkd_study_fits fit(const struct made *m, uint32_t count)
{
    const struct vkd_study_fit_params p = { .resample = { .count = count, .log = test_log }, .protocol = "linear" };
    struct vkd_study_fits f;
    ck_assert_int_eq(vkd_study_fit(&m->t, &p, &f), VKD_OK);
    return f;
}

// ---- Against NumPy ----

static void check_squares(const char *name, const json_t *expected, const struct vkd_ols *o, double recipes_out)
{
    const double found[] = { o->r2, o->adjusted_r2, o->loo_r2, recipes_out };
    for (uint32_t i = 0; i < 4; i++)
        check_number(name, "R2", found[i], json_double(json_array_get(expected, i)), 1);
}

static void check_fit(const char *name, const json_t *c, const struct vkd_study_fits *f, uint32_t k, uint32_t tasks)
{
    const struct vkd_study_fit *x = &f->fits[k];
    check_squares(name, json_object_get(c, "alone"), &x->accuracy, x->recipe_loo_accuracy);
    check_squares(name, json_object_get(c, "joint"), &x->joint, x->recipe_loo_joint);
    for (uint32_t i = 0; i < 3; i++)
        check_number(name, "b", x->joint.coefficients[i], json_double(json_array_get(json_object_get(c, "b"), i)), 1);
    check_number(name, "b2", x->slope.value, x->joint.coefficients[2], 1);
    check_number(name, "partial", x->partial.value, case_double(c, "partial"), 1);
    check_number(name, "low", x->partial.low, case_double(c, "low"), 1);
    check_number(name, "high", x->partial.high, case_double(c, "high"), 1);
    check_number(name, "b2_low", x->slope.low, case_double(c, "b2_low"), 1);
    check_number(name, "b2_high", x->slope.high, case_double(c, "b2_high"), 1);
    ck_assert_uint_eq(x->slope.resamples, case_count(c, "resamples"));
    const double *a = x->accuracy.coefficients, *b = x->joint.coefficients;
    for (uint32_t i = 0; i < VKD_STUDY_LINE_POINTS; i++) {
        const double at = x->line_low + (x->line_high - x->line_low) * i / (VKD_STUDY_LINE_POINTS - 1);
        check_number(name, "line", x->lines[0].y[i].value, a[0] + a[1] * at, 1);
        check_number(name, "line at -1", x->lines[1].y[i].value, b[0] + b[1] * at - b[2], 1);
        check_number(name, "line at 1", x->lines[2].y[i].value, b[0] + b[1] * at + b[2], 1);
        for (uint32_t l = 0; l < 3; l++)
            ck_assert(x->lines[l].y[i].low < x->lines[l].y[i].high);
    }
    check_number(name, "p", x->permutation.p, case_double(c, "p"), 1);
    check_number(name, "spearman", x->spearman, case_double(c, "spearman"), 1);
    check_number(name, "kendall", x->kendall, case_double(c, "kendall"), 1);
    for (uint32_t t = 0; t < tasks; t++) {
        const struct vkd_study_task_fit *task = &f->task_fits[t * f->fit_count + k];
        const json_t *list = json_array_get(json_object_get(c, "tasks"), t);
        ck_assert_uint_eq(task->task, t);
        ck_assert_uint_eq(task->measure, k);
        check_number(name, "task's partial", task->partial, json_double(json_array_get(list, 0)), 1);
        check_number(name, "task's R2", task->loo_r2_accuracy, json_double(json_array_get(list, 1)), 1);
        check_number(name, "task's R2", task->loo_r2_joint, json_double(json_array_get(list, 2)), 1);
    }
}

START_TEST(recorded_studies)
{
    json_t *golden = golden_json("study"), *c, *row;
    size_t i, k;
    json_array_foreach(json_object_get(golden, "studies"), i, c) {
        const char *name = case_text(c, "name");
        const uint32_t tasks = case_count(c, "tasks");
        struct made m;
        make(&m, name, case_count(c, "recipes"), case_count(c, "seeds"), tasks, case_count(c, "measures"),
             case_double(c, "effect"), false);
        struct vkd_study_fits f = fit(&m, case_count(c, "count"));
        ck_assert_uint_eq(f.models, m.t.models);
        ck_assert_uint_eq(f.clusters, case_count(c, "recipes"));
        for (uint32_t j = 0; j < m.t.models; j++)
            check_number(name, "y", f.y[j], json_double(json_array_get(json_object_get(c, "y"), j)), 1);
        json_array_foreach(json_object_get(c, "fits"), k, row)
            check_fit(name, row, &f, (uint32_t) k, tasks);
        vkd_study_fits_finish(&f);
    }
    json_decref(golden);
}
END_TEST

// ---- Known truth ----

START_TEST(effect_is_found)
{
    static const int signs[] = { 1, 1 };
    struct made m;
    char words[128];
    make(&m, "present", 12, 2, 3, 2, 0.8, false);
    m.t.measure_signs = signs;
    struct vkd_study_fits f = fit(&m, 0);
    ck_assert_int_eq(f.outcome, VKD_STUDY_SUPPORTED);
    ck_assert_ptr_eq(f.best, &f.fits[0]);
    ck_assert(f.fits[0].stands && !f.fits[1].stands);
    ck_assert_double_gt(f.fits[0].slope.low, 0);
    ck_assert_double_lt(f.fits[0].p_holm, 0.05);
    ck_assert_double_ge(f.fits[0].p_holm, f.fits[0].permutation.p);
    ck_assert_msg(strstr(f.verdict, "Supported: accuracy and first") == f.verdict, "%s", f.verdict);
    ck_assert_ptr_nonnull(strstr(f.verdict, "24 models of 12 recipes and 3 tasks (linear protocol)"));
    snprintf(words, sizeof(words), "R2 of recipes left out %.3f, alone %.3f", f.fits[0].recipe_loo_joint,
             f.fits[0].recipe_loo_accuracy);
    ck_assert_msg(strstr(f.verdict, words) != NULL, "no '%s' in %s", words, f.verdict);
    ck_assert_ptr_nonnull(strstr(f.verdict, "more diverse models transfer better"));
    ck_assert_ptr_nonnull(strstr(f.falsifier, "95 % interval of b2 contains 0"));
    vkd_study_fits_finish(&f);
}
END_TEST

// A measure that shrinks with diversity: what grows with it speaks against the claim.
START_TEST(opposite_is_no_support)
{
    static const int signs[] = { -1, 0 };
    struct made m;
    make(&m, "present", 12, 2, 3, 2, 0.8, false);
    m.t.measure_signs = signs;
    struct vkd_study_fits f = fit(&m, 0);
    ck_assert_int_eq(f.outcome, VKD_STUDY_OPPOSITE);
    ck_assert_str_eq(vkd_study_outcome_name(f.outcome), "opposite");
    ck_assert(f.fits[0].stands);
    ck_assert_msg(strstr(f.verdict, "Opposite: accuracy and first") == f.verdict, "%s", f.verdict);
    ck_assert_ptr_nonnull(strstr(f.verdict, "less diverse models transfer better"));
    ck_assert_ptr_nonnull(strstr(f.falsifier, "less diverse models transfer better"));
    vkd_study_fits_finish(&f);
}
END_TEST

// The same measure twice, once as if less of it were more diverse: support is told with what contradicts it.
START_TEST(contradictions_are_told)
{
    static const int signs[] = { -1, 1 };
    struct made m;
    make(&m, "present", 12, 2, 3, 2, 0.8, false);
    for (uint32_t i = 0; i < m.t.models; i++)
        m.diversity[2 * i + 1] = m.diversity[2 * i];
    m.t.measure_signs = signs;
    struct vkd_study_fits f = fit(&m, 0);
    ck_assert_int_eq(f.outcome, VKD_STUDY_SUPPORTED);
    ck_assert_ptr_eq(f.best, &f.fits[1]);
    ck_assert_ptr_nonnull(strstr(f.verdict, "than accuracy alone (R2"));         // the other does not confirm it
    ck_assert_msg(strstr(f.verdict, "; 1 measure says the opposite.") != NULL, "%s", f.verdict);
    vkd_study_fits_finish(&f);
}
END_TEST

// One of six measures stands, as one of so many may, and its p does not survive that there are six.
START_TEST(chance_is_not_enough)
{
    struct made m;
    make(&m, "chance", 9, 2, 3, 6, 0.25, false);
    struct vkd_study_fits f = fit(&m, 500);
    ck_assert_int_eq(f.outcome, VKD_STUDY_NOT_ESTABLISHED);
    ck_assert(f.fits[0].stands);
    ck_assert_double_lt(f.fits[0].permutation.p, 0.05);
    ck_assert_double_gt(f.fits[0].p_holm, 0.05);
    ck_assert_msg(strstr(f.verdict, "Not established: accuracy and first") == f.verdict, "%s", f.verdict);
    vkd_study_fits_finish(&f);
}
END_TEST

START_TEST(no_effect_is_not_found)
{
    struct made m;
    make(&m, "absent", 16, 2, 3, 3, 0, false);
    struct vkd_study_fits f = fit(&m, 500);
    ck_assert_int_eq(f.outcome, VKD_STUDY_NOT_SUPPORTED);
    ck_assert_ptr_null(f.best);
    ck_assert_msg(strstr(f.verdict, "Not supported: over 32 models of 16 recipes") == f.verdict, "%s", f.verdict);
    vkd_study_fits_finish(&f);
}
END_TEST

// Diversity that goes with accuracy ranks with transfer, and adds nothing to accuracy.
START_TEST(confounded_effect_is_not_found)
{
    struct made m;
    make(&m, "confounded", 16, 2, 3, 1, 0, true);
    struct vkd_study_fits f = fit(&m, 500);
    ck_assert_double_gt(f.fits[0].spearman, 0.8);
    ck_assert_double_gt(f.accuracy_spearman, 0.8);
    ck_assert_int_eq(f.outcome, VKD_STUDY_NOT_SUPPORTED);
    vkd_study_fits_finish(&f);
}
END_TEST

// Seven recipes, however many seeds, are too few, and the tables are there all the same.
START_TEST(few_recipes_conclude_nothing)
{
    struct made m;
    make(&m, "small", 7, 3, 4, 1, 0.8, false);
    struct vkd_study_fits f = fit(&m, 300);
    ck_assert_int_eq(f.outcome, VKD_STUDY_TOO_FEW);
    ck_assert_ptr_null(f.best);
    ck_assert_msg(strstr(f.verdict, "No conclusion: there are 21 models of 7 recipes") == f.verdict, "%s", f.verdict);
    ck_assert(isfinite(f.fits[0].joint.r2) && isfinite(f.fits[0].permutation.p));
    ck_assert(f.fits[0].permutation.exact);
    ck_assert_uint_eq(f.task_fit_count, 4);
    vkd_study_fits_finish(&f);
}
END_TEST

// Seeds that repeat their recipe exactly say nothing more than one of them.
START_TEST(copies_are_no_witnesses)
{
    struct made one, many;
    make(&one, "copies", 9, 1, 2, 1, 0.5, false);
    make(&many, "copies", 9, 1, 2, 1, 0.5, false);
    for (uint32_t i = 0; i < 36; i++) {
        many.clusters[i] = 100 + i % 9;
        many.accuracy[i] = one.accuracy[i % 9];
        many.diversity[i] = one.diversity[i % 9];
        memcpy(&many.transfer[2 * i], &one.transfer[i % 9 * 2], 2 * sizeof(double));
    }
    many.t.models = 36;
    struct vkd_study_fits a = fit(&one, 400), b = fit(&many, 400);
    ck_assert_uint_eq(b.clusters, 9);
    ck_assert_double_eq_tol(a.fits[0].permutation.p, b.fits[0].permutation.p, 1e-12);
    ck_assert_double_eq_tol(a.fits[0].partial.low, b.fits[0].partial.low, 1e-9);
    ck_assert_double_eq_tol(a.fits[0].recipe_loo_joint, b.fits[0].recipe_loo_joint, 1e-9);
    ck_assert_double_lt(a.fits[0].joint.loo_r2, b.fits[0].joint.loo_r2);        // and this one is fooled
    ck_assert_double_eq_tol(a.task_fits[1].recipe_loo_joint, b.task_fits[1].recipe_loo_joint, 1e-9);
    ck_assert_double_eq_tol(a.task_fits[1].recipe_loo_accuracy, b.task_fits[1].recipe_loo_accuracy, 1e-9);
    ck_assert_double_lt(a.task_fits[1].loo_r2_joint, b.task_fits[1].loo_r2_joint);
    vkd_study_fits_finish(&a);
    vkd_study_fits_finish(&b);
}
END_TEST

// ---- Gaps ----

START_TEST(gaps_are_left_out)
{
    struct made m;
    make(&m, "present", 12, 2, 3, 2, 0.8, false);
    for (uint32_t i = 0; i < 15; i++)
        m.transfer[i * 3 + 2] = NAN;            // a task that most models lack
    m.transfer[20 * 3] = NAN;                   // a model that lacks a task
    m.accuracy[3] = NAN;
    m.diversity[7 * 2 + 1] = NAN;
    last_log[0] = 0;
    struct vkd_study_fits f = fit(&m, 200);
    ck_assert_uint_eq(f.tasks, 2);
    ck_assert(!f.task_used[2]);
    ck_assert_uint_eq(f.models, 22);
    ck_assert(!f.model_used[3] && !f.model_used[20] && f.model_used[7]);
    ck_assert_double_nan(f.y[3]);
    ck_assert_uint_eq(f.clusters, 12);
    ck_assert_uint_eq(f.fits[0].models, 22);
    ck_assert_uint_eq(f.fits[1].models, 21);
    ck_assert_uint_eq(f.task_fit_count, 4);
    ck_assert_msg(strstr(last_log, "2 of 24 models are left out") != NULL, "%s", last_log);
    vkd_study_fits_finish(&f);
}
END_TEST

START_TEST(constants_have_no_effect)
{
    struct made m;
    make(&m, "present", 12, 1, 2, 2, 0.8, false);
    for (uint32_t i = 0; i < 12; i++)
        m.diversity[i * 2] = 3.25;
    last_log[0] = 0;
    struct vkd_study_fits f = fit(&m, 200);
    ck_assert_msg(strstr(last_log, "first cannot be told from accuracy") != NULL, "%s", last_log);
    ck_assert_double_nan(f.fits[0].slope.value);
    ck_assert_double_nan(f.fits[0].permutation.p);
    ck_assert_double_nan(f.fits[0].p_holm);
    ck_assert_double_nan(f.fits[0].spearman);
    ck_assert(isfinite(f.fits[0].joint.r2));
    ck_assert(!f.fits[0].stands);
    check_number("constants", "Holm of one", f.fits[1].p_holm, f.fits[1].permutation.p, 1);
    for (uint32_t i = 0; i < 12; i++)
        m.accuracy[i] = 1;                      // no accuracy to control for
    vkd_study_fits_finish(&f);
    f = fit(&m, 200);
    ck_assert_double_nan(f.accuracy_spearman);
    ck_assert_double_eq_tol(f.fits[1].accuracy.r2, 0, 1e-12);
    ck_assert(isfinite(f.fits[1].partial.value));
    vkd_study_fits_finish(&f);
}
END_TEST

// One to five models: no fit, no failure.
START_TEST(few_models)
{
    struct made m;
    for (uint32_t n = 1; n <= 5; n++) {
        make(&m, "few", n, 1, 2, 2, 0.5, false);
        struct vkd_study_fits f = fit(&m, 100);
        ck_assert_int_eq(f.outcome, VKD_STUDY_TOO_FEW);
        ck_assert_uint_eq(f.models, n);
        ck_assert(n > 3 || isnan(f.fits[0].permutation.p));
        vkd_study_fits_finish(&f);
    }
    make(&m, "few", 4, 1, 2, 2, 0.5, false);
    for (uint32_t i = 0; i < 4; i++)
        m.accuracy[i] = NAN;
    struct vkd_study_fits f = fit(&m, 100);
    ck_assert_uint_eq(f.models, 0);
    ck_assert_double_nan(f.fits[0].accuracy.r2);
    ck_assert_int_eq(f.outcome, VKD_STUDY_TOO_FEW);
    ck_assert_ptr_nonnull(strstr(f.verdict, "no model has"));
    vkd_study_fits_finish(&f);
}
END_TEST

// ---- Bad input ----

static bool stop_now(void *user)
{
    (void) user;
    return true;
}

START_TEST(bad_tables)
{
    struct made m;
    struct vkd_study_fits f = { .tasks = 7 };
    struct vkd_study_fit_params p = { .resample = { .count = 100, .log = test_log } };
    make(&m, "bad", 9, 1, 2, 2, 0.5, false);
    m.t.tasks = 0;
    CHECK_REJECTED(vkd_study_fit(&m.t, &p, &f), "found 9, 2 and 0");
    m.t.tasks = 2;
    m.transfer[5] = INFINITY;
    CHECK_REJECTED(vkd_study_fit(&m.t, &p, &f), "model 2");
    m.transfer[5] = 1;
    p.resample.confidence = 2;
    CHECK_REJECTED(vkd_study_fit(&m.t, &p, &f), "confidence");
    p.resample.confidence = 0;
    p.resample.stop = stop_now;
    ck_assert_int_eq(vkd_study_fit(&m.t, &p, &f), VKD_INTERRUPTED);
    ck_assert_uint_eq(f.tasks, 7);
}
END_TEST

// Fits, then lets go of them.
static vkd_result fit_once(const struct made *m)
{
    const struct vkd_study_fit_params p = { .resample = { .count = 2 } };
    struct vkd_study_fits f;
    vkd_result r = vkd_study_fit(&m->t, &p, &f);
    if (r == VKD_OK)
        vkd_study_fits_finish(&f);
    return r;
}

START_TEST(without_memory)
{
    struct made m;
    make(&m, "memory", 5, 1, 2, 1, 0.5, false);
    CHECK_ALLOCATIONS(fit_once(&m));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("study");
    TCase *c = tcase_create("study");
    tcase_add_test(c, recorded_studies);
    tcase_add_test(c, effect_is_found);
    tcase_add_test(c, opposite_is_no_support);
    tcase_add_test(c, contradictions_are_told);
    tcase_add_test(c, chance_is_not_enough);
    tcase_add_test(c, no_effect_is_not_found);
    tcase_add_test(c, confounded_effect_is_not_found);
    tcase_add_test(c, few_recipes_conclude_nothing);
    tcase_add_test(c, copies_are_no_witnesses);
    tcase_add_test(c, gaps_are_left_out);
    tcase_add_test(c, constants_have_no_effect);
    tcase_add_test(c, few_models);
    tcase_add_test(c, bad_tables);
    tcase_add_test(c, without_memory);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
