// study_json.c -- a study as one JSON document.
#include "study.h"

#include "../json.h"

#include <inttypes.h>
#include <stdio.h>

static json_t *real(double value)
{
    return vkd__json_real(value);
}

static json_t *hex(uint64_t value)
{
    char s[20];
    snprintf(s, sizeof(s), "%016" PRIx64, value);
    return json_string(s);
}

static void add_result(json_t *row, const struct vkd_study_result *r)
{
    json_object_set_new(row, "metric", r->found ? json_string(r->metric) : json_null());
    json_object_set_new(row, "value", real(r->value));
    json_object_set_new(row, "low", real(r->low));
    json_object_set_new(row, "high", real(r->high));
    json_object_set_new(row, "log_odds", real(r->log_odds));
}

// ---- Models ----

static json_t *model_json(const struct vkd_study *s, const struct vkd_study_fits *f, uint32_t index)
{
    const struct vkd_study_model *m = &s->models[index];
    json_t *diversity = json_object(), *tasks = json_array(), *base = json_object();
    for (uint32_t k = 0; k < s->measure_count; k++)
        json_object_set_new(diversity, s->measure_names[k], real(m->diversity[k]));
    for (uint32_t k = 0; k < s->task_count; k++) {
        json_t *row = json_pack("{s:o, s:o, s:s}", "data", vkd__json_text(s->task_specs[k]), "name",
                                vkd__json_text(s->task_names[k]), "protocol", s->protocol_name);
        add_result(row, &m->tasks[k]);
        json_array_append_new(tasks, row);
    }
    add_result(base, &m->base);
    return json_pack("{s:o, s:o, s:o, s:i, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b}", "run", vkd__json_text(m->run),
                     "name", vkd__json_text(m->label), "recipe", hex(m->recipe), "cluster", (int) m->cluster, "seed",
                     (json_int_t) m->seed, "arch", m->arch, "method", m->method, "base_accuracy", real(m->base.value),
                     "base", base, "y", real(f->y[index]), "diversity", diversity, "tasks", tasks, "used",
                     f->model_used[index]);
}

// ---- Fits ----

// {"z", "x": [...], "y": [...], "low": [...], "high": [...]}
static json_t *line_json(const struct vkd_study_fit *f, const struct vkd_study_line *line)
{
    json_t *x = json_array(), *y = json_array(), *low = json_array(), *high = json_array();
    for (uint32_t i = 0; i < VKD_STUDY_LINE_POINTS; i++) {
        json_array_append_new(x, real(f->line_low + (f->line_high - f->line_low) * i / (VKD_STUDY_LINE_POINTS - 1)));
        json_array_append_new(y, real(line->y[i].value));
        json_array_append_new(low, real(line->y[i].low));
        json_array_append_new(high, real(line->y[i].high));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "z", real(line->z), "x", x, "y", y, "low", low, "high", high);
}

static json_t *fit_json(const struct vkd_study *s, const struct vkd_study_fit *f)
{
    const int sign = s->measure_signs[f->measure];
    json_t *row = json_object();
    const struct { const char *key; double value; } numbers[] = {
        { "r2_accuracy", f->accuracy.r2 }, { "r2_joint", f->joint.r2 },
        { "adjusted_r2_accuracy", f->accuracy.adjusted_r2 }, { "adjusted_r2_joint", f->joint.adjusted_r2 },
        { "loo_r2_accuracy", f->accuracy.loo_r2 }, { "loo_r2_joint", f->joint.loo_r2 },
        { "recipe_loo_r2_accuracy", f->recipe_loo_accuracy }, { "recipe_loo_r2_joint", f->recipe_loo_joint },
        { "partial_correlation", f->partial.value }, { "low", f->partial.low }, { "high", f->partial.high },
        { "p", f->permutation.p }, { "p_holm", f->p_holm },
        { "b0", f->joint.coefficients[0] }, { "b1", f->joint.coefficients[1] }, { "b2", f->joint.coefficients[2] },
        { "b2_low", f->slope.low }, { "b2_high", f->slope.high },
        { "b0_accuracy", f->accuracy.coefficients[0] }, { "b1_accuracy", f->accuracy.coefficients[1] },
        { "residual_std_accuracy", f->accuracy.residual_std }, { "residual_std_joint", f->joint.residual_std },
        { "mean", f->mean }, { "std", f->std }, { "spearman", f->spearman }, { "kendall", f->kendall },
    };
    json_object_set_new(row, "diversity", json_string(s->measure_names[f->measure]));
    json_object_set_new(row, "more_diverse", sign ? json_string(sign > 0 ? "larger" : "smaller") : json_null());
    json_object_set_new(row, "models", json_integer(f->models));
    json_object_set_new(row, "recipes", json_integer(f->clusters));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        json_object_set_new(row, numbers[i].key, real(numbers[i].value));
    json_object_set_new(row, "permutations", json_integer((json_int_t) f->permutation.permutations));
    json_object_set_new(row, "permutations_exact", json_boolean(f->permutation.exact));
    json_object_set_new(row, "resamples", json_integer(f->slope.resamples));
    json_object_set_new(row, "stands", json_boolean(f->stands));
    json_object_set_new(row, "lines", json_pack("{s:o, s:[o, o]}", "accuracy", line_json(f, &f->lines[0]), "joint",
                                                line_json(f, &f->lines[1]), line_json(f, &f->lines[2])));
    return row;
}

static json_t *protocol_of(const struct vkd_study *s, uint32_t task)
{
    return s->task_protocols[task] ? vkd__json_text(s->task_protocols[task]) : json_null();
}

static json_t *tasks_json(const struct vkd_study *s)
{
    json_t *list = json_array();
    for (uint32_t k = 0; k < s->task_count; k++)
        json_array_append_new(list, json_pack("{s:o, s:o, s:s, s:o, s:o}", "data", vkd__json_text(s->task_specs[k]), "name",
                                              vkd__json_text(s->task_names[k]), "protocol", s->protocol_name, "text",
                                              protocol_of(s, k), "metric",
                                              s->task_metrics[k] ? json_string(s->task_metrics[k]) : json_null()));
    return list;
}

static json_t *per_task_json(const struct vkd_study *s, const struct vkd_study_fits *f)
{
    json_t *list = json_array(), *row = NULL, *measures = NULL;
    for (uint32_t i = 0; i < f->task_fit_count; i++) {
        const struct vkd_study_task_fit *t = &f->task_fits[i];
        if (!i || t->task != f->task_fits[i - 1].task) {
            measures = json_array();
            row = json_pack("{s:o, s:o, s:s, s:o, s:o}", "data", vkd__json_text(s->task_specs[t->task]), "name",
                            vkd__json_text(s->task_names[t->task]), "protocol", s->protocol_name, "text",
                            protocol_of(s, t->task), "fits", measures);
            json_array_append_new(list, row);
        }
        json_array_append_new(measures, json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
            "diversity",
            s->measure_names[t->measure], "models", (int) t->models, "r2_accuracy", real(t->r2_accuracy), "r2_joint",
            real(t->r2_joint), "loo_r2_accuracy", real(t->loo_r2_accuracy), "loo_r2_joint", real(t->loo_r2_joint),
            "recipe_loo_r2_accuracy", real(t->recipe_loo_accuracy), "recipe_loo_r2_joint", real(t->recipe_loo_joint),
            "partial_correlation", real(t->partial), "spearman", real(t->spearman)));
    }
    return list;
}

json_t *vkd__study_json(const struct vkd_study *s, const struct vkd_study_fits *f)
{
    json_t *models = json_array(), *fits = json_array();
    for (uint32_t i = 0; i < s->model_count; i++)
        json_array_append_new(models, model_json(s, f, i));
    for (uint32_t i = 0; i < f->fit_count; i++)
        json_array_append_new(fits, fit_json(s, &f->fits[i]));
    return json_pack("{s:i, s:{s:o, s:o}, s:{s:s}, s:o, s:i, s:i, s:i, s:{s:o, s:o}, s:o, s:o, s:o, s:s, s:s, s:s}",
                     "schema", 1, "base", "data", vkd__json_text(s->base), "protocol", vkd__json_text(s->base_protocol),
                     "protocol", "name", s->protocol_name, "tasks", tasks_json(s),
                     "models_used", (int) f->models, "recipes", (int) f->clusters, "recipes_needed",
                     VKD_STUDY_RECIPES_MIN,
                     "accuracy", "spearman", real(f->accuracy_spearman), "kendall", real(f->accuracy_kendall),
                     "models", models, "fits", fits, "per_task", per_task_json(s, f),
                     "outcome", vkd_study_outcome_name(f->outcome), "verdict", f->verdict, "falsifier", f->falsifier);
}

vkd_result vkd_study_save(const struct vkd_study *s, const struct vkd_study_fits *f, const char *path,
                          const struct vkd_log *log)
{
    json_t *doc = vkd__study_json(s, f);
    vkd_result r = vkd__json_save(path, doc, log, VKD_LOG_ERROR);
    json_decref(doc);
    return r;
}
