// gather.c -- from run folders to a study: which base data, which protocol, which tasks.
#include "study.h"

#include "../data/dataset.h"
#include "../suggest.h"
#include "../../runtime/os.h"

#include <vkdiv/transfer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Base data ----

// What more than half of the runs were trained on.
static const char *find_base(const struct vkd__gather *g)
{
    const char *best = NULL;
    uint32_t most = 0;
    for (uint32_t i = 0; i < g->run_count; i++) {
        uint32_t count = 0;
        for (uint32_t j = 0; j < g->run_count; j++)
            count += !strcmp(g->runs[i].train, g->runs[j].train);
        if (count > most) {
            most = count;
            best = g->runs[i].train;
        }
    }
    if (2 * most <= g->run_count || !best[0])
        return NULL;
    if (most < g->run_count)
        vkd_log_write(&g->p->log, VKD_LOG_INFO, "study: base accuracy is that on %.600s, which %u of %u runs were "
                      "trained on", best, most, g->run_count);
    return best;
}

// A named set that nothing is known of and that is not there: no model would have base accuracy.
static vkd_result check_base(const struct vkd__gather *g)
{
    const struct vkd__study_found *any = NULL;
    vkd_result r = g->p->base ? vkd__study_results(g, g->s->base, true, &any) : VKD_OK;
    if (r < 0 || !g->p->base || any || vkd__study_data_exist(g->s->base))
        return r;
    vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: the base data %.600s are not there, and no run has a result of them",
                  g->s->base);
    return VKD_INVALID;
}

// The length of a path without slashes at its end.
static size_t trimmed(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

// Whether two SPECs are of the same files and classes with as many labels an image; other options pick among the images.
static bool is_same_set(const char *a, const char *b)
{
    enum { CLASSES = 1 << 12 };
    static const char *const any = "";
    struct vkd__spec x, y;
    struct vkd__why why;
    bool keep[2][CLASSES], same = false;
    if (vkd__spec_parse(a, NULL, &x, &why) < 0)
        return false;
    if (vkd__spec_parse(b, NULL, &y, &why) == VKD_OK) {
        const size_t m = trimmed(x.path), n = trimmed(y.path);
        same = !strcmp(x.format, y.format) && m == n && !strncmp(x.path, y.path, n) && x.collage == y.collage;
        if (same && vkd__spec_classes(x.classes, CLASSES, keep[0], &why) == VKD_OK &&
            vkd__spec_classes(y.classes, CLASSES, keep[1], &why) == VKD_OK)
            same = !memcmp(keep[0], keep[1], sizeof(keep[0]));
        else
            same = same && !strcmp(x.classes ? x.classes : any, y.classes ? y.classes : any);
        vkd__spec_finish(&y);
    }
    vkd__spec_finish(&x);
    return same;
}

// Of the base's files and classes: the SPEC itself if a run has a result of it, else the only other that runs have.
static const char *find_measured(const struct vkd__gather *g, const char *base)
{
    const char *other = NULL;
    for (uint32_t i = 0; i < g->run_count; i++)
        for (const struct vkd__study_found *f = g->runs[i].found; f; f = f->next) {
            if (!strcmp(f->spec, base))
                return base;
            if (strcmp(f->protocol, VKD__STUDY_BASE_PROTOCOL) || !is_same_set(f->spec, base))
                continue;
            if (other && strcmp(other, f->spec))
                return base;
            other = f->spec;
        }
    if (other)
        vkd_log_write(&g->p->log, VKD_LOG_INFO, "study: base accuracy is that on %.600s, which runs have results of", other);
    return other ? other : base;
}

static vkd_result choose_base(struct vkd__gather *g)
{
    const char *base = g->p->base ? g->p->base : find_base(g);
    if (base && !g->p->base && !g->p->base_from_run)
        base = find_measured(g, base);
    if (!base && !g->p->base_from_run) {
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: base accuracy must be on the same data for all models, and no "
                      "set is what most of the %u runs were trained on: %.300s, %.300s ...; name one with --base SPEC",
                      g->run_count, g->runs[0].train, g->runs[g->run_count - 1].train);
        return VKD_INVALID;
    }
    g->s->base = vkd__study_text(&g->s->memory, base ? base : "");
    return g->s->base ? VKD_OK : VKD_NO_MEMORY;
}

// ---- Protocol ----

static bool is_protocol(const char *name)
{
    const char *known;
    for (uint32_t i = 0; (known = vkd_transfer_protocol_at(i)); i++)
        if (!strcmp(known, name))
            return true;
    return false;
}

const char *vkd__study_metric(const struct vkd__gather *g, const char *spec)
{
    for (uint32_t k = 0; k < g->p->task_count; k++)
        if (!strcmp(g->p->tasks[k].data, spec))
            return g->p->tasks[k].metric;
    return NULL;
}

// Of the metric that the task asks for, if any.
static bool is_measured(const struct vkd__gather *g, const struct vkd__study_found *f)
{
    const char *metric = vkd__study_metric(g, f->spec);
    return !metric || !strcmp(metric, f->result.metric);
}

bool vkd__study_is_wanted(const struct vkd__gather *g, const struct vkd__study_found *f)
{
    const char *p = g->p->protocol;
    return !p || !strcmp(f->protocol, p) || (!is_protocol(p) && strstr(f->text, p));
}

// Other options than those of the base data do not make a transfer of what is trained on.
static bool is_base(const struct vkd__gather *g, const char *spec)
{
    return !strcmp(spec, g->s->base) || is_same_set(spec, g->s->base);
}

// Whether a result is of a task of the study; without a list of tasks, of all but base.
static bool is_task(const struct vkd__gather *g, const struct vkd__study_found *f)
{
    bool listed = !g->p->task_count;
    for (uint32_t k = 0; k < g->p->task_count; k++)
        listed |= !strcmp(g->p->tasks[k].data, f->spec);
    return listed && !is_base(g, f->spec) && is_measured(g, f);
}

static vkd_result refuse_two(const struct vkd__gather *g, const char *of, const struct vkd__study_found *a,
                             const struct vkd__study_found *b)
{
    const bool data = !strcmp(a->text, b->text) && !strcmp(a->result.metric, b->result.metric);
    if (data)
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: results of %.300s are of data that have changed in between "
                      "(fingerprints %s and %s): delete those of one state and transfer these models again", of,
                      a->fingerprint, b->fingerprint);
    else
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: results of different protocols are never mixed, and %.200s "
                      "has both\n  %.700s (%s)\n  %.700s (%s)\nchoose with --protocol NAME, or a part of such a line; of metrics, "
                      "with metric=NAME in a file for --tasks",
                      of, a->text, a->result.metric, b->text, b->result.metric);
    return VKD_INVALID;
}

// Each with the task that it is of: it need not be the same.
static vkd_result refuse_protocols(const struct vkd__gather *g, const struct vkd__study_found *a,
                                   const struct vkd__study_found *b)
{
    vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: results of different protocols are never mixed\n  %.200s by %.600s (%s)\n"
                  "  %.200s by %.600s (%s)\nchoose with --protocol NAME, or a part of such a line", a->spec, a->text,
                  a->result.metric, b->spec, b->text, b->result.metric);
    return VKD_INVALID;
}

// One protocol for all tasks: linear, if it is there and no other is asked for.
static vkd_result choose_protocol(struct vkd__gather *g)
{
    const struct vkd__study_found *first = NULL, *linear = NULL, *other = NULL;
    const char *p = g->p->protocol;
    for (uint32_t i = 0; i < g->run_count; i++)
        for (const struct vkd__study_found *f = g->runs[i].found; f; f = f->next) {
            if (!is_task(g, f) || !vkd__study_is_wanted(g, f))
                continue;
            first = first ? first : f;
            linear = linear || strcmp(f->protocol, VKD__STUDY_BASE_PROTOCOL) ? linear : f;
            if (strcmp(first->protocol, f->protocol) && (!other || !strcmp(first->spec, f->spec)))
                other = f;
        }
    if (other && (p || !linear))
        return refuse_protocols(g, first, other);
    if (other)
        vkd_log_write(&g->p->log, VKD_LOG_INFO, "study: results of the protocol %s are taken, and those of %s are not: choose "
                      "with --protocol", linear->protocol, strcmp(first->protocol, linear->protocol) ? first->protocol :
                      other->protocol);
    if (!first && p && !is_protocol(p)) {
        const char *names[8], *near;
        uint32_t count = 0;
        for (const char *n; count < 8 && (n = vkd_transfer_protocol_at(count)); count++)
            names[count] = n;
        near = vkd__suggest(p, names, count);
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: no result is of a protocol with '%.300s' in its line, nor is "
                      "that a protocol's name%s%s%s", p, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        return VKD_INVALID;
    }
    if (first && p && !is_protocol(p))
        vkd_log_write(&g->p->log, VKD_LOG_INFO, "study: '%.300s' is taken for a part of the line %.600s", p, first->text);
    first = other ? linear : first;
    g->s->protocol_name = vkd__study_text(&g->s->memory, first ? first->protocol : p ? p : VKD__STUDY_BASE_PROTOCOL);
    return g->s->protocol_name ? VKD_OK : VKD_NO_MEMORY;
}

// The one result of a run for the base data or a task; *out NULL: there is none.
vkd_result vkd__study_result(const struct vkd__gather *g, const struct vkd__study_run *run, const char *spec, bool base,
                              const struct vkd__study_found **out)
{
    const char *name = base ? VKD__STUDY_BASE_PROTOCOL : g->s->protocol_name;
    const bool filter = !strcmp(name, g->s->protocol_name);
    *out = NULL;
    for (const struct vkd__study_found *f = run->found; f; f = f->next) {
        if (strcmp(f->spec, spec) || strcmp(f->protocol, name) || !is_measured(g, f) ||
            (filter && !vkd__study_is_wanted(g, f)))
            continue;
        if (*out && (strcmp((*out)->text, f->text) || strcmp((*out)->result.metric, f->result.metric) ||
                     strcmp((*out)->fingerprint, f->fingerprint)))
            return refuse_two(g, spec, *out, f);
        *out = f;
    }
    return VKD_OK;
}

// The same over all runs; *out is any of them.
vkd_result vkd__study_results(const struct vkd__gather *g, const char *spec, bool base,
                              const struct vkd__study_found **out)
{
    const struct vkd__study_found *f;
    *out = NULL;
    for (uint32_t i = 0; i < g->run_count; i++) {
        vkd_result r = vkd__study_result(g, &g->runs[i], spec, base, &f);
        if (r < 0)
            return r;
        if (f && *out && (strcmp((*out)->text, f->text) || strcmp((*out)->result.metric, f->result.metric) ||
                          strcmp((*out)->fingerprint, f->fingerprint)))
            return refuse_two(g, spec, *out, f);
        *out = f ? f : *out;
    }
    return VKD_OK;
}

// ---- Tasks ----

// "idx:/data/fashion-mnist?classes=6-9" is called "fashion-mnist?classes=6-9".
const char *vkd__study_short_name(const char *spec)
{
    const size_t length = strcspn(spec, "?");
    const char *name = spec;
    for (size_t i = 0; i + 1 < length; i++)
        if (spec[i] == '/' || (spec[i] == ':' && name == spec))
            name = spec + i + 1;
    return name;
}

bool vkd__study_data_exist(const char *spec)
{
    char path[4096];
    const char *at = strchr(spec, ':');
    if (!at)
        return false;
    snprintf(path, sizeof(path), "%.*s", (int) strcspn(at + 1, "?"), at + 1);
    return strpbrk(path, "*[") || vkd__path_kind(path, NULL, NULL) != VKD__PATH_NONE;
}

// A SPEC that none can be is an error, whatever is there.
static vkd_result check_spec(const struct vkd__gather *g, const char *spec)
{
    struct vkd__spec parsed;
    struct vkd__why why;
    vkd_result r = vkd__spec_parse(spec, NULL, &parsed, &why);
    if (r < 0)
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: task %.300s: %s", spec, why.text);
    else
        vkd__spec_finish(&parsed);
    return r;
}

static vkd_result add_task(struct vkd__gather *g, const char *spec, const char *name)
{
    struct vkd_study *s = g->s;
    const struct vkd__study_found *any;
    for (uint32_t k = 0; k < s->task_count; k++)
        if (!strcmp(s->task_specs[k], spec))
            return VKD_OK;
    if (is_base(g, spec)) {
        const bool same = !strcmp(spec, g->s->base);
        vkd_log_write(&g->p->log, same ? VKD_LOG_INFO : VKD_LOG_WARNING, same ? "study: %.600s is the base data and no task" :
                      "study: %.600s is left out: its files and classes are those of the base data %.600s, so it is no "
                      "transfer", spec, g->s->base);
        return VKD_OK;
    }
    vkd_result r = check_spec(g, spec);
    if (r == VKD_OK)
        r = vkd__study_results(g, spec, false, &any);
    if (r < 0)
        return r;
    if (!any && !vkd__study_data_exist(spec)) {
        vkd_log_write(&g->p->log, VKD_LOG_WARNING, "study: task %.600s is left out: its files are not there", spec);
        return VKD_OK;
    }
    s->task_specs[s->task_count] = vkd__study_text(&s->memory, spec);
    s->task_names[s->task_count] = vkd__study_text(&s->memory, name ? name : vkd__study_short_name(spec));
    if (!s->task_specs[s->task_count] || !s->task_names[s->task_count])
        return VKD_NO_MEMORY;
    s->task_count++;
    return VKD_OK;
}

// A metric that there is, and one for each set: another line of it with another one would be another task.
static vkd_result check_metric(const struct vkd__gather *g, const struct vkd_study_task *task)
{
    const char *names[8], *first = vkd__study_metric(g, task->data), *name;
    bool known = !task->metric;
    uint32_t count = 0;
    for (; count < 8 && (name = vkd_transfer_metric_at(count)); count++) {
        names[count] = name;
        known |= task->metric && !strcmp(name, task->metric);
    }
    if (!known) {
        const char *near = vkd__suggest(task->metric, names, count);
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: task %.300s: expected a metric as %s, found '%.60s'%s%s%s", task->data,
                      names[0], task->metric, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        return VKD_INVALID;
    }
    if (!task->metric || !strcmp(first ? first : "", task->metric))
        return VKD_OK;
    vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: task %.300s is named with metric %.60s and with %.60s: expected one of them",
                  task->data, first ? first : "by default", task->metric);
    return VKD_INVALID;
}

static vkd_result choose_tasks(struct vkd__gather *g)
{
    struct vkd_study *s = g->s;
    size_t room = g->p->task_count;
    bool told = false;
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; i < g->run_count; i++)
        for (const struct vkd__study_found *f = g->runs[i].found; f; f = f->next)
            room++;
    s->task_specs = vkd__study_alloc(&s->memory, room * sizeof(char *));
    s->task_names = vkd__study_alloc(&s->memory, room * sizeof(char *));
    s->task_protocols = vkd__study_alloc(&s->memory, room * sizeof(char *));
    s->task_metrics = vkd__study_alloc(&s->memory, room * sizeof(char *));
    if (!s->task_specs || !s->task_names || !s->task_protocols || !s->task_metrics)
        return VKD_NO_MEMORY;
    for (uint32_t k = 0; r == VKD_OK && k < g->p->task_count; k++) {
        r = check_metric(g, &g->p->tasks[k]);
        if (r == VKD_OK)
            r = add_task(g, g->p->tasks[k].data, g->p->tasks[k].name);
    }
    for (uint32_t i = 0; !g->p->task_count && i < g->run_count; i++)
        for (const struct vkd__study_found *f = g->runs[i].found; r == VKD_OK && f; f = f->next)
            if (is_task(g, f) && vkd__study_is_wanted(g, f) && !strcmp(f->protocol, s->protocol_name)) {
                r = add_task(g, f->spec, NULL);
            } else if (!told && is_base(g, f->spec) && strcmp(f->spec, s->base)) {
                r = add_task(g, f->spec, NULL);     // says why it is none
                told = true;
            }
    if (r == VKD_OK && !s->task_count) {
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: there is no task: name some with --data SPEC or --tasks FILE, "
                      "or run `vkdiv transfer` on the runs first");
        r = VKD_INVALID;
    }
    return r;
}

// Models by the order of their folders; recipes numbered by first appearance.
static vkd_result take_models(struct vkd__gather *g)
{
    struct vkd_study *s = g->s;
    uint32_t clusters = 0;
    s->models = vkd__study_alloc(&s->memory, g->run_count * sizeof(*s->models));
    if (!s->models)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < g->run_count; i++) {
        struct vkd_study_model *m = &s->models[i];
        *m = *g->runs[i].model;
        g->runs[i].model = m;
        m->cluster = clusters;
        for (uint32_t j = 0; j < i; j++)
            if (s->models[j].recipe == m->recipe)
                m->cluster = s->models[j].cluster;
        clusters += m->cluster == clusters;
        m->diversity = vkd__study_alloc(&s->memory, VKD__STUDY_MEASURES * sizeof(double));
        m->tasks = vkd__study_alloc(&s->memory, s->task_count * sizeof(*m->tasks));
        if (!m->diversity || !m->tasks)
            return VKD_NO_MEMORY;
    }
    s->model_count = g->run_count;
    return VKD_OK;
}

// ---- The whole ----

static vkd_result check_measures(const struct vkd_study_params *p)
{
    const char *names[VKD__STUDY_MEASURES];
    for (uint32_t k = 0; k < VKD__STUDY_MEASURES; k++)
        names[k] = vkd__study_measure_name(k);
    for (uint32_t i = 0; i < p->measure_count; i++) {
        bool known = false;
        for (uint32_t k = 0; k < VKD__STUDY_MEASURES; k++)
            known |= !strcmp(names[k], p->measures[i]);
        if (known)
            continue;
        const char *near = vkd__suggest(p->measures[i], names, VKD__STUDY_MEASURES);
        vkd_log_write(&p->log, VKD_LOG_ERROR, "study: no diversity measure is called '%.100s'; %s%s%s", p->measures[i],
                      near ? "did you mean '" : "one is '", near ? near : names[0], near ? "'?" : "'");
        return VKD_INVALID;
    }
    return VKD_OK;
}

// The images of features: those asked for, else those that most is known of, else the base data.
static vkd_result choose_probe(struct vkd__gather *g, struct vkd__study_probe *out)
{
    const struct vkd_study_params *p = g->p;
    *out = (struct vkd__study_probe) { .data = p->probe ? p->probe : g->s->base, .split = "test",
                                       .images = p->images ? p->images : 2000, .views = p->views ? p->views : 4 };
    for (uint32_t i = 0; i < g->run_count; i++) {
        struct vkd__study_probe own;
        if (!vkd__study_probe_of(g->runs[i].diversity, &own) || (p->probe && strcmp(own.data, p->probe)) ||
            own.images <= out->known)
            continue;
        out->data = own.data;
        out->split = own.split;
        out->known = own.images;
        out->images = p->images ? p->images : own.images;
        out->views = p->views ? p->views : own.views;
    }
    out->data = vkd__study_text(&g->s->memory, out->data);      // the documents change
    out->split = vkd__study_text(&g->s->memory, out->split);
    return out->data && out->split ? VKD_OK : VKD_NO_MEMORY;
}

static vkd_result gather(struct vkd__gather *g)
{
    struct vkd__study_probe probe;
    vkd_result r = vkd__study_read_runs(g);
    if (r == VKD_OK)
        r = choose_base(g);
    if (r == VKD_OK)
        r = choose_protocol(g);
    if (r == VKD_OK && !g->p->base_from_run)
        r = check_base(g);
    if (r == VKD_OK)
        r = choose_tasks(g);
    if (r == VKD_OK)
        r = take_models(g);
    if (r < 0)
        return r;
    r = choose_probe(g, &probe);
    if (r == VKD_OK)
        r = vkd__study_compute(g, &probe);
    return r == VKD_OK ? vkd__study_tabulate(g, &probe) : r;
}

vkd_result vkd_study_gather(const struct vkd_study_params *p, struct vkd_study *out)
{
    struct vkd_study s = { .memory = NULL };
    struct vkd__gather g = { .p = p, .s = &s };
    vkd_result r = check_measures(p);
    if (r == VKD_OK)
        r = gather(&g);
    for (uint32_t i = 0; i < g.run_count; i++)
        json_decref(g.runs[i].diversity);
    free(g.runs);
    vkd_filter_nulls_destroy(&g.nulls);
    if (r < 0)
        vkd_study_finish(&s);
    else
        *out = s;
    return r;
}

void vkd_study_finish(struct vkd_study *s)
{
    vkd__study_free(&s->memory);
    *s = (struct vkd_study) { .memory = NULL };
}
