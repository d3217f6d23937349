// fit.c -- the joint model: what diversity adds to accuracy in explaining transfer.
#include "study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS_MIN = 4 };    // three parameters and a degree of freedom

// ---- What counts ----

static vkd_result check(const struct vkd_study_table *t, const struct vkd_log *log)
{
    if (!t->models || !t->measures || !t->tasks) {
        vkd_log_write(log, VKD_LOG_ERROR, "study: expected models, diversity measures and tasks; found %u, %u and %u",
                      t->models, t->measures, t->tasks);
        return VKD_INVALID;
    }
    for (uint32_t m = 0; m < t->models; m++) {
        bool bad = isinf(t->accuracy[m]);
        for (uint32_t k = 0; k < t->measures; k++)
            bad |= isinf(t->diversity[(size_t) m * t->measures + k]) != 0;
        for (uint32_t k = 0; k < t->tasks; k++)
            bad |= isinf(t->transfer[(size_t) m * t->tasks + k]) != 0;
        if (bad) {
            vkd_log_write(log, VKD_LOG_ERROR, "study: accuracy, diversity and transfer must be finite, or NaN for what "
                          "there is not; model %u has an infinite one", m);
            return VKD_INVALID;
        }
    }
    return VKD_OK;
}

static void choose(const struct vkd_study_table *t, struct vkd_study_fits *f, const struct vkd_log *log)
{
    for (uint32_t k = 0; k < t->tasks; k++) {
        uint32_t count = 0;
        for (uint32_t m = 0; m < t->models; m++)
            count += !isnan(t->transfer[(size_t) m * t->tasks + k]);
        f->task_used[k] = count && 2 * count >= t->models;
        f->tasks += f->task_used[k];
        if (!f->task_used[k])
            vkd_log_write(log, VKD_LOG_WARNING, "study: task %s is left out: %u of %u models have a result of it",
                          t->task_names[k], count, t->models);
    }
    for (uint32_t m = 0; m < t->models; m++) {
        bool all = !isnan(t->accuracy[m]) && f->tasks;
        for (uint32_t k = 0; k < t->tasks; k++)
            all &= !f->task_used[k] || !isnan(t->transfer[(size_t) m * t->tasks + k]);
        f->model_used[m] = all;
        f->models += all;
    }
    if (f->models < t->models)
        vkd_log_write(log, VKD_LOG_WARNING, "study: %u of %u models are left out of the fits: they lack base accuracy "
                      "or a result of a task", t->models - f->models, t->models);
}

// y: the mean over tasks of the logit, centred per task.
static void explain(const struct vkd_study_table *t, struct vkd_study_fits *f)
{
    for (uint32_t m = 0; m < t->models; m++)
        f->y[m] = f->model_used[m] ? 0 : NAN;
    for (uint32_t k = 0; k < t->tasks; k++) {
        const double *column = t->transfer + k;
        double mean = 0;
        for (uint32_t m = 0; f->task_used[k] && m < t->models; m++)
            mean += f->model_used[m] ? column[(size_t) m * t->tasks] / f->models : 0;
        for (uint32_t m = 0; f->task_used[k] && m < t->models; m++)
            if (f->model_used[m])
                f->y[m] += (column[(size_t) m * t->tasks] - mean) / f->tasks;
    }
}

// ---- One measure ----

struct rows {
    uint32_t n, recipes;
    double *y, *accuracy, *z;           // n each
    uint32_t *recipe;                   // n, from 0 on
    double low, high;                   // of accuracy
    double *mean_y, *mean_accuracy, *mean_z;    // of the recipes
    double *memory;
};

static bool rows_make(uint32_t models, struct rows *r)
{
    const size_t n = models;
    *r = (struct rows) { .memory = calloc(7 * n, sizeof(double)) };
    if (!r->memory)
        return false;
    r->y = r->memory;
    r->accuracy = r->y + n;
    r->z = r->y + 2 * n;
    r->mean_y = r->y + 3 * n;
    r->mean_accuracy = r->y + 4 * n;
    r->mean_z = r->y + 5 * n;
    r->recipe = (uint32_t *) (r->y + 6 * n);
    return true;
}

// The models that count and have a value in the column (NULL: all that count), recipes numbered by first appearance.
static void rows_take(const struct vkd_study_table *t, const struct vkd_study_fits *f, const double *column,
                      uint32_t stride, struct rows *r)
{
    r->n = r->recipes = 0;
    for (uint32_t m = 0; m < t->models; m++) {
        if (!f->model_used[m] || (column && isnan(column[(size_t) m * stride])))
            continue;
        r->y[r->n] = f->y[m];
        r->accuracy[r->n] = t->accuracy[m];
        r->z[r->n] = column ? column[(size_t) m * stride] : 0;
        r->recipe[r->n] = r->recipes;
        for (uint32_t before = 0, i = 0; before < m; before++) {
            if (!f->model_used[before] || (column && isnan(column[(size_t) before * stride])))
                continue;
            if (t->clusters[before] == t->clusters[m]) {
                r->recipe[r->n] = r->recipe[i];
                break;
            }
            i++;
        }
        r->recipes += r->recipe[r->n] == r->recipes;
        r->n++;
    }
}

// z = (x - mean) / std in place; all 0 of a constant.
static void standardise(struct rows *r, double *mean, double *std)
{
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < r->n; i++)
        sum += r->z[i] / r->n;
    for (uint32_t i = 0; i < r->n; i++)
        squares += (r->z[i] - sum) * (r->z[i] - sum);
    *mean = r->n ? sum : NAN;
    *std = r->n > 1 ? sqrt(squares / (r->n - 1)) : NAN;
    const bool constant = !(*std > 1e-12 * fabs(sum));
    for (uint32_t i = 0; i < r->n; i++)
        r->z[i] = constant ? 0 : (r->z[i] - sum) / *std;
}

enum { OF_PARTIAL, OF_SLOPE, OF_LINES, JOINT_VALUES = OF_LINES + 3 * VKD_STUDY_LINE_POINTS };
static const double line_z[3] = { NAN, -1, 1 };

static double line_x(const struct rows *r, uint32_t point)
{
    return r->low + (r->high - r->low) * point / (VKD_STUDY_LINE_POINTS - 1);
}

// Partial correlation of y and z given accuracy, and z's slope beside it: what vkd_partial_correlation and vkd_ols give
// of these rows, from their sums of squares. Then the points of the lines.
static void joint_of(void *user, const uint32_t *indices, uint32_t count, double *out)
{
    const struct rows *r = user;
    const double *columns[3] = { r->accuracy, r->y, r->z };
    double mean[3] = { 0 }, s[3][3] = { { 0 } };
    for (uint32_t k = 0; k < 3; k++)
        for (uint32_t i = 0; i < count; i++)
            mean[k] += columns[k][indices[i]] / count;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t a = 0; a < 3; a++)
            for (uint32_t b = 0; b < 3; b++)
                s[a][b] += (columns[a][indices[i]] - mean[a]) * (columns[b][indices[i]] - mean[b]);
    const bool control = s[0][0] > 1e-22 * count * mean[0] * mean[0];
    const double given = control ? 1 / s[0][0] : 0;
    const double yy = s[1][1] - s[0][1] * s[0][1] * given, zz = s[2][2] - s[0][2] * s[0][2] * given;
    const double yz = s[1][2] - s[0][1] * s[0][2] * given;
    const bool has = count >= MODELS_MIN && yy > 1e-12 * s[1][1] && zz > 1e-12 * s[2][2];
    out[0] = has ? fmax(-1, fmin(1, yz / sqrt(yy) / sqrt(zz))) : NAN;
    out[1] = has ? yz / zz : NAN;
    for (uint32_t l = 0; l < 3; l++) {
        const double b2 = l ? out[OF_SLOPE] : 0, b1 = control ? (s[0][1] - b2 * s[0][2]) / s[0][0] : NAN;
        const double at_z = l ? b2 * (line_z[l] - mean[2]) : 0;
        for (uint32_t i = 0; i < VKD_STUDY_LINE_POINTS; i++)
            out[OF_LINES + l * VKD_STUDY_LINE_POINTS + i] = mean[1] + b1 * (line_x(r, i) - mean[0]) + at_z;
    }
}

static void find_range(struct rows *r)
{
    r->low = r->high = r->n ? r->accuracy[0] : NAN;
    for (uint32_t i = 1; i < r->n; i++) {
        r->low = fmin(r->low, r->accuracy[i]);
        r->high = fmax(r->high, r->accuracy[i]);
    }
}

static void average_recipes(struct rows *r)
{
    for (uint32_t c = 0; c < r->recipes; c++) {
        double sum[3] = { 0 };
        uint32_t count = 0;
        for (uint32_t i = 0; i < r->n; i++) {
            if (r->recipe[i] != c)
                continue;
            sum[0] += r->y[i];
            sum[1] += r->accuracy[i];
            sum[2] += r->z[i];
            count++;
        }
        r->mean_y[c] = sum[0] / count;
        r->mean_accuracy[c] = sum[1] / count;
        r->mean_z[c] = sum[2] / count;
    }
}

static vkd_result fit_squares(struct rows *r, struct vkd_study_fit *f)
{
    const double *columns[2] = { r->accuracy, r->z };
    vkd_result e = vkd_ols(r->y, columns, 1, r->n, NULL, &f->accuracy, NULL, NULL);
    if (e == VKD_OK)
        e = vkd_ols(r->y, columns, 2, r->n, NULL, &f->joint, NULL, NULL);
    if (e == VKD_OK)
        e = vkd_ols_cluster_loo(r->y, columns, 1, r->n, r->recipe, NULL, &f->recipe_loo_accuracy);
    if (e == VKD_OK)
        e = vkd_ols_cluster_loo(r->y, columns, 2, r->n, r->recipe, NULL, &f->recipe_loo_joint);
    if (e == VKD_OK)
        e = vkd_spearman(r->z, r->y, r->n, NULL, &f->spearman);
    if (e == VKD_OK)
        e = vkd_kendall(r->z, r->y, r->n, NULL, &f->kendall);
    return e;
}

// Seeds of a recipe are not exchangeable with those of another: what is permuted is the recipes' means.
static vkd_result fit_resampled(struct rows *r, const struct vkd_resample_params *p, struct vkd_study_fit *f)
{
    struct vkd_interval values[JOINT_VALUES];
    const double *control = r->mean_accuracy;
    find_range(r);
    vkd_result e = vkd_bootstrap_clusters(joint_of, r, r->recipe, r->n, JOINT_VALUES, p, values);
    if (e < 0)
        return e;
    f->partial = values[OF_PARTIAL];
    f->slope = values[OF_SLOPE];
    f->line_low = r->low;
    f->line_high = r->high;
    for (uint32_t l = 0; l < 3; l++)
        memcpy(f->lines[l].y, values + OF_LINES + l * VKD_STUDY_LINE_POINTS, sizeof(f->lines[l].y));
    average_recipes(r);
    return vkd_permutation_coefficient(r->mean_y, r->mean_z, &control, 1, r->recipes, p, &f->permutation);
}

static const struct vkd_ols no_fit = { .r2 = NAN, .adjusted_r2 = NAN, .loo_r2 = NAN, .residual_std = NAN,
                                       .coefficients = { NAN, NAN, NAN }, .std_errors = { NAN, NAN, NAN } };

static vkd_result fit_measure(const struct vkd_study_table *t, const struct vkd_study_fits *all, uint32_t measure,
                              const struct vkd_resample_params *p, struct rows *r, struct vkd_study_fit *f)
{
    const struct vkd_interval none = { NAN, NAN, NAN, 0 };
    vkd_result e = VKD_OK;
    rows_take(t, all, t->diversity + measure, t->measures, r);
    *f = (struct vkd_study_fit) {
        .measure = measure, .models = r->n, .clusters = r->recipes, .accuracy = no_fit, .joint = no_fit,
        .recipe_loo_accuracy = NAN, .recipe_loo_joint = NAN, .partial = none, .slope = none,
        .permutation = { .statistic = NAN, .p = NAN }, .p_holm = NAN, .spearman = NAN, .kendall = NAN,
    };
    f->line_low = f->line_high = NAN;
    for (uint32_t l = 0; l < 3; l++) {
        f->lines[l].z = line_z[l];
        for (uint32_t i = 0; i < VKD_STUDY_LINE_POINTS; i++)
            f->lines[l].y[i] = none;
    }
    standardise(r, &f->mean, &f->std);
    if (r->n)
        e = fit_squares(r, f);
    if (e == VKD_OK && r->n)
        e = fit_resampled(r, p, f);
    f->stands = f->clusters >= VKD_STUDY_RECIPES_MIN && f->recipe_loo_joint > f->recipe_loo_accuracy &&
                (f->slope.low > 0 || f->slope.high < 0);
    return e;
}

// ---- One task ----

static vkd_result fit_task(const struct vkd_study_table *t, const struct vkd_study_fits *all, uint32_t task,
                           uint32_t measure, struct rows *r, struct vkd_study_task_fit *f)
{
    const double *columns[2] = { r->accuracy, r->z };
    struct vkd_ols alone, joint;
    double mean, std;
    *f = (struct vkd_study_task_fit) { .task = task, .measure = measure, .r2_accuracy = NAN, .r2_joint = NAN,
                                       .loo_r2_accuracy = NAN, .loo_r2_joint = NAN, .recipe_loo_accuracy = NAN,
                                       .recipe_loo_joint = NAN, .partial = NAN, .spearman = NAN };
    rows_take(t, all, t->diversity + measure, t->measures, r);
    standardise(r, &mean, &std);
    f->models = r->n;
    if (!r->n)
        return VKD_OK;
    for (uint32_t m = 0, i = 0; m < t->models; m++)
        if (all->model_used[m] && !isnan(t->diversity[(size_t) m * t->measures + measure]))
            r->y[i++] = t->transfer[(size_t) m * t->tasks + task];
    vkd_result e = vkd_ols(r->y, columns, 1, r->n, NULL, &alone, NULL, NULL);
    if (e == VKD_OK)
        e = vkd_ols(r->y, columns, 2, r->n, NULL, &joint, NULL, NULL);
    if (e == VKD_OK)
        e = vkd_ols_cluster_loo(r->y, columns, 1, r->n, r->recipe, NULL, &f->recipe_loo_accuracy);
    if (e == VKD_OK)
        e = vkd_ols_cluster_loo(r->y, columns, 2, r->n, r->recipe, NULL, &f->recipe_loo_joint);
    if (e == VKD_OK)
        e = vkd_partial_correlation(r->y, r->z, columns, 1, r->n, NULL, &f->partial);
    if (e == VKD_OK)
        e = vkd_spearman(r->z, r->y, r->n, NULL, &f->spearman);
    if (e < 0)
        return e;
    f->r2_accuracy = alone.r2;
    f->r2_joint = joint.r2;
    f->loo_r2_accuracy = alone.loo_r2;
    f->loo_r2_joint = joint.loo_r2;
    return VKD_OK;
}

// ---- The whole ----

static vkd_result fits_make(const struct vkd_study_table *t, struct vkd_study_fits *f)
{
    *f = (struct vkd_study_fits) {
        .model_used = calloc(t->models, sizeof(bool)), .task_used = calloc(t->tasks, sizeof(bool)),
        .y = calloc(t->models, sizeof(double)), .fits = calloc(t->measures, sizeof(struct vkd_study_fit)),
        .task_fits = calloc((size_t) t->measures * t->tasks, sizeof(struct vkd_study_task_fit)),
        .accuracy_spearman = NAN, .accuracy_kendall = NAN,
    };
    return f->model_used && f->task_used && f->y && f->fits && f->task_fits ? VKD_OK : VKD_NO_MEMORY;
}

// Names the measures that no fit can tell from accuracy.
static void tell_confounded(const struct vkd_study_table *t, const struct vkd_study_fits *f, const struct vkd_log *log)
{
    char names[400] = "";
    uint32_t count = 0;
    const struct vkd_study_fit *any = NULL;
    for (uint32_t k = 0; k < f->fit_count; k++) {
        const struct vkd_study_fit *x = &f->fits[k];
        const size_t used = strlen(names);
        if (!x->models || x->joint.rank >= x->joint.params)
            continue;
        snprintf(names + used, sizeof(names) - used, "%s%.100s", count++ ? ", " : "", t->measure_names[x->measure]);
        any = x;
    }
    if (!count)
        return;
    const bool all = count > 1 && count == f->fit_count;
    vkd_log_write(log, VKD_LOG_WARNING, "study: %s cannot be told from accuracy over %u model%s of %u recipe%s: %s the same for "
                  "all, or %s with accuracy, or there are too few", all ? "all measures" : names, any->models,
                  any->models == 1 ? "" : "s", any->clusters, any->clusters == 1 ? "" : "s", count > 1 ? "they are" : "it is",
                  count > 1 ? "go" : "goes");
}

static vkd_result correct_p(struct vkd_study_fits *f)
{
    double *p = calloc(f->fit_count, sizeof(*p));
    if (!p)
        return VKD_NO_MEMORY;
    for (uint32_t k = 0; k < f->fit_count; k++)
        p[k] = f->fits[k].permutation.p;
    vkd_result r = vkd_holm(p, f->fit_count, p);
    for (uint32_t k = 0; r == VKD_OK && k < f->fit_count; k++)
        f->fits[k].p_holm = p[k];
    free(p);
    return r;
}

static vkd_result fit_all(const struct vkd_study_table *t, const struct vkd_study_fit_params *p, struct rows *rows,
                          struct vkd_study_fits *f)
{
    vkd_result r = VKD_OK;
    rows_take(t, f, NULL, 0, rows);
    f->clusters = rows->recipes;
    if (rows->n) {
        r = vkd_spearman(rows->accuracy, rows->y, rows->n, NULL, &f->accuracy_spearman);
        if (r == VKD_OK)
            r = vkd_kendall(rows->accuracy, rows->y, rows->n, NULL, &f->accuracy_kendall);
    }
    for (; r == VKD_OK && f->fit_count < t->measures; f->fit_count++)
        r = fit_measure(t, f, f->fit_count, &p->resample, rows, &f->fits[f->fit_count]);
    if (r == VKD_OK)
        tell_confounded(t, f, &p->resample.log);
    for (uint32_t k = 0; r == VKD_OK && k < t->tasks; k++)
        for (uint32_t m = 0; r == VKD_OK && f->task_used[k] && m < t->measures; m++)
            r = fit_task(t, f, k, m, rows, &f->task_fits[f->task_fit_count++]);
    if (r == VKD_OK)
        r = correct_p(f);
    return r;
}

vkd_result vkd_study_fit(const struct vkd_study_table *t, const struct vkd_study_fit_params *p,
                         struct vkd_study_fits *out)
{
    struct vkd_study_fits f;
    struct rows rows = { 0 };
    vkd_result r = check(t, &p->resample.log);
    if (r < 0)
        return r;
    r = fits_make(t, &f);
    if (r == VKD_OK && !rows_make(t->models, &rows))
        r = VKD_NO_MEMORY;
    if (r == VKD_OK) {
        choose(t, &f, &p->resample.log);
        explain(t, &f);
        r = fit_all(t, p, &rows, &f);
    }
    free(rows.memory);
    if (r < 0) {
        vkd_study_fits_finish(&f);
        return r;
    }
    vkd__study_conclude(t, p, &f);
    *out = f;
    return VKD_OK;
}

void vkd_study_fits_finish(struct vkd_study_fits *f)
{
    free(f->task_fits);
    free(f->fits);
    free(f->y);
    free(f->task_used);
    free(f->model_used);
    *f = (struct vkd_study_fits) { .fits = NULL };
}
