// tabulate.c -- from what the runs hold to the table that is fitted.
#include "study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tell_missing(const struct vkd__gather *g, const char *what, uint32_t count)
{
    if (count)
        vkd_log_write(&g->p->log, VKD_LOG_WARNING, "study: %u of %u models have no %.300s", count, g->run_count, what);
}

static vkd_result fill_base(struct vkd__gather *g)
{
    struct vkd_study *s = g->s;
    const struct vkd__study_found *f;
    uint32_t missing = 0;
    vkd_result r = VKD_OK;
    if (!g->p->base_from_run)
        r = vkd__study_results(g, s->base, true, &f);
    if (r < 0)
        return r;
    s->base_protocol = vkd__study_text(&s->memory, g->p->base_from_run ? "accuracy of each run's own test (run.json)" :
                                       f ? f->text : VKD__STUDY_BASE_PROTOCOL);
    for (uint32_t i = 0; i < g->run_count; i++) {
        const struct vkd__study_run *run = &g->runs[i];
        struct vkd_study_result *b = &run->model->base;
        *b = (struct vkd_study_result) { .value = NAN, .low = NAN, .high = NAN, .log_odds = NAN };
        if (g->p->base_from_run) {
            b->found = !isnan(run->accuracy) && run->accuracy_count;
            b->value = run->accuracy;
            b->log_odds = vkd_log_odds(run->accuracy, run->accuracy_count);
            snprintf(b->metric, sizeof(b->metric), "test_accuracy");
        } else {
            r = vkd__study_result(g, run, s->base, true, &f);
            if (r < 0)
                return r;
            if (f)
                *b = f->result;
        }
        missing += !b->found;
    }
    tell_missing(g, "base accuracy", missing);
    return s->base_protocol ? VKD_OK : VKD_NO_MEMORY;
}

static vkd_result fill_tasks(struct vkd__gather *g)
{
    struct vkd_study *s = g->s;
    const struct vkd__study_found *f;
    vkd_result r = VKD_OK;
    for (uint32_t k = 0; r == VKD_OK && k < s->task_count; k++) {
        uint32_t missing = 0;
        r = vkd__study_results(g, s->task_specs[k], false, &f);
        if (r == VKD_OK && f && (!(s->task_protocols[k] = vkd__study_text(&s->memory, f->text)) ||
                                 !(s->task_metrics[k] = vkd__study_text(&s->memory, f->result.metric))))
            return VKD_NO_MEMORY;
        for (uint32_t i = 0; r == VKD_OK && i < g->run_count; i++) {
            struct vkd_study_result *t = &g->runs[i].model->tasks[k];
            *t = (struct vkd_study_result) { .value = NAN, .low = NAN, .high = NAN, .log_odds = NAN };
            r = vkd__study_result(g, &g->runs[i], s->task_specs[k], false, &f);
            if (r == VKD_OK && f)
                *t = f->result;
            missing += !t->found;
        }
        if (r == VKD_OK)
            tell_missing(g, s->task_specs[k], missing);
    }
    return r;
}

static bool is_measure_wanted(const struct vkd__gather *g, const char *name)
{
    for (uint32_t i = 0; i < g->p->measure_count; i++)
        if (!strcmp(g->p->measures[i], name))
            return true;
    return !g->p->measure_count;
}

// The measures that at least half of the models have, or those asked for; `values` (runs, all measures).
static vkd_result choose_measures(struct vkd__gather *g, const double *values)
{
    struct vkd_study *s = g->s;
    const char **names = vkd__study_alloc(&s->memory, VKD__STUDY_MEASURES * sizeof(*names));
    int *signs = vkd__study_alloc(&s->memory, VKD__STUDY_MEASURES * sizeof(*signs));
    if (!names || !signs)
        return VKD_NO_MEMORY;
    for (uint32_t k = 0; k < VKD__STUDY_MEASURES; k++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < g->run_count; i++)
            count += !isnan(values[(size_t) i * VKD__STUDY_MEASURES + k]);
        if (!is_measure_wanted(g, vkd__study_measure_name(k)) || 2 * count < g->run_count)
            continue;
        names[s->measure_count] = vkd__study_measure_name(k);
        signs[s->measure_count] = vkd__study_measure_sign(k);
        for (uint32_t i = 0; i < g->run_count; i++)
            g->runs[i].model->diversity[s->measure_count] = values[(size_t) i * VKD__STUDY_MEASURES + k];
        s->measure_count++;
        if (count < g->run_count)
            vkd_log_write(&g->p->log, VKD_LOG_WARNING, "study: %s is known of %u of %u models alone",
                          vkd__study_measure_name(k), count, g->run_count);
    }
    s->measure_names = names;
    s->measure_signs = signs;
    if (s->measure_count)
        return VKD_OK;
    vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: no diversity measure is known of half of the models: the runs "
                  "have neither a diversity.json nor weights to make one of");
    return VKD_INVALID;
}

static vkd_result fill_measures(struct vkd__gather *g, const struct vkd__study_probe *probe)
{
    double *values = calloc((size_t) g->run_count * VKD__STUDY_MEASURES, sizeof(*values));
    uint32_t other = 0, bare = 0;
    if (!values)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < g->run_count; i++) {
        const json_t *doc = g->runs[i].diversity;
        const bool has = vkd__study_has_probe(doc, probe);
        const json_t *features = json_object_get(doc, "features");
        bare += !has && features && !json_object_get(features, "ratio");
        other += !has && json_object_get(features, "ratio");
        vkd__study_measures(doc, has, values + (size_t) i * VKD__STUDY_MEASURES);
    }
    if (bare)
        vkd_log_write(&g->p->log, VKD_LOG_WARNING, "study: the features of %u models lack their null, that of untrained networks: "
                      "they are not compared; with a device and the images %.300s, and without --no-run, they are made again",
                      bare, probe->data);
    if (other)
        vkd_log_write(&g->p->log, VKD_LOG_WARNING, "study: the features of %u models are not of the first %u images of "
                      "%.300s, split %s, with %u views: they are not compared", other, probe->images, probe->data,
                      probe->split, probe->views);
    vkd_result r = choose_measures(g, values);
    free(values);
    return r;
}

// The arrays that vkd_study_fit takes.
static vkd_result make_table(struct vkd__gather *g)
{
    struct vkd_study *s = g->s;
    const size_t n = s->model_count;
    double *accuracy = vkd__study_alloc(&s->memory, n * sizeof(double));
    double *diversity = vkd__study_alloc(&s->memory, n * s->measure_count * sizeof(double));
    double *transferred = vkd__study_alloc(&s->memory, n * s->task_count * sizeof(double));
    uint32_t *clusters = vkd__study_alloc(&s->memory, n * sizeof(uint32_t));
    if (!accuracy || !diversity || !transferred || !clusters)
        return VKD_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const struct vkd_study_model *m = &s->models[i];
        clusters[i] = m->cluster;
        accuracy[i] = m->base.log_odds;
        for (uint32_t k = 0; k < s->measure_count; k++)
            diversity[i * s->measure_count + k] = m->diversity[k];
        for (uint32_t k = 0; k < s->task_count; k++)
            transferred[i * s->task_count + k] = m->tasks[k].log_odds;
    }
    s->table = (struct vkd_study_table) {
        .models = s->model_count, .measures = s->measure_count, .tasks = s->task_count, .clusters = clusters,
        .accuracy = accuracy, .diversity = diversity, .transfer = transferred, .measure_names = s->measure_names,
        .measure_signs = s->measure_signs, .task_names = (const char *const *) s->task_names,
    };
    return VKD_OK;
}

vkd_result vkd__study_tabulate(struct vkd__gather *g, const struct vkd__study_probe *probe)
{
    vkd_result r = fill_base(g);
    if (r == VKD_OK)
        r = fill_tasks(g);
    if (r == VKD_OK)
        r = fill_measures(g, probe);
    return r == VKD_OK ? make_table(g) : r;
}
