// missing.c -- computes what the runs of a study lack, and leaves it in their folders.
#include "study.h"

#include "../run_folder.h"

#include <vkdiv/transfer.h>

#include <stdio.h>
#include <string.h>

vkd_device *vkd__study_device(struct vkd__gather *g)
{
    if (!g->device_asked && g->p->device)
        g->dev = g->p->device(g->p->user);
    g->device_asked = true;
    return g->dev;
}

static bool is_stopped(const struct vkd__gather *g)
{
    return g->p->stop && g->p->stop(g->p->user);
}

static bool is_fatal(vkd_result r)
{
    return r == VKD_NO_MEMORY || r == VKD_DEVICE_LOST || r == VKD_INTERRUPTED;
}

struct missing {
    struct vkd__gather *g;
    uint32_t done, count;       // pieces of work
    char what[256];
};

static void tell(void *user, const char *what, uint32_t done, uint32_t of)
{
    const struct missing *m = user;
    const struct vkd_study_params *p = m->g->p;
    char text[384];
    snprintf(text, sizeof(text), of > 1 ? "%s: %.80s %u/%u" : "%s: %.80s", m->what, what, done, of);
    if (p->progress)
        p->progress(p->user, text, m->done, m->count);
}

static bool stop(void *user)
{
    return is_stopped(((const struct missing *) user)->g);
}

static vkd_result keep(struct vkd__gather *g, struct vkd__study_run *run, const char *spec,
                       const struct vkd_transfer_result *result)
{
    void **memory = &g->s->memory;
    char hex[20];
    struct vkd__study_found *f = vkd__study_alloc(memory, sizeof(*f));
    if (!f)
        return VKD_NO_MEMORY;
    snprintf(hex, sizeof(hex), "%016llx", (unsigned long long) result->fingerprint);
    *f = (struct vkd__study_found) {
        .next = run->found, .spec = vkd__study_text(memory, spec), .fingerprint = vkd__study_text(memory, hex),
        .protocol = vkd__study_text(memory, result->protocol), .text = vkd__study_text(memory, result->text),
        .result = { true, result->value, result->low, result->high, result->log_odds, "" },
    };
    snprintf(f->result.metric, sizeof(f->result.metric), "%s", result->metric);
    if (!f->spec || !f->fingerprint || !f->protocol || !f->text)
        return VKD_NO_MEMORY;
    run->found = f;
    return VKD_OK;
}

static bool is_missing(const struct vkd__study_run *run, const char *spec, const struct vkd__study_found *found)
{
    return !found && run->weights[0] && vkd__study_data_exist(spec);
}

static struct vkd_transfer_params params_of(const struct vkd__gather *g, const struct vkd__study_run *run,
                                            const char *spec, bool base)
{
    return (struct vkd_transfer_params) {
        .model = run->model->run, .data = spec, .protocol = base ? VKD__STUDY_BASE_PROTOCOL : g->s->protocol_name,
        .metric = vkd__study_metric(g, spec) };
}

// Whether what would be computed compares with what is there; refused before anything is.
static vkd_result check_task(const struct vkd__gather *g, const char *spec, bool base)
{
    const struct vkd_log quiet = { .fn = NULL };
    const struct vkd__study_found *there, *f;
    const struct vkd__study_run *lacking = NULL;
    struct vkd_transfer_result would;
    char fingerprint[20];
    vkd_result r = vkd__study_results(g, spec, base, &there);
    for (uint32_t i = 0; r == VKD_OK && !lacking && i < g->run_count; i++) {
        r = vkd__study_result(g, &g->runs[i], spec, base, &f);
        lacking = r == VKD_OK && is_missing(&g->runs[i], spec, f) ? &g->runs[i] : NULL;
    }
    if (r < 0 || !lacking)
        return r;
    const struct vkd_transfer_params p = params_of(g, lacking, spec, base);
    r = vkd_transfer_describe(&p, &quiet, &would);
    if (r < 0)
        return r == VKD_NO_MEMORY ? r : VKD_OK;     // told when it is tried
    snprintf(fingerprint, sizeof(fingerprint), "%016llx", (unsigned long long) would.fingerprint);
    const struct vkd__study_found computed = { .protocol = would.protocol, .text = would.text,
                                               .fingerprint = fingerprint };
    if (there && (strcmp(there->text, would.text) || strcmp(there->result.metric, would.metric))) {
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: %.300s has no result of %.200s, and would get one by\n  %.600s "
                      "(%s)\nwhich never mixes with those that are there, by\n  %.600s (%s)\nrun `vkdiv transfer` with "
                      "the latter's settings on runs that lack it; --no-run does without them", lacking->model->label,
                      spec, would.text, would.metric, there->text, there->result.metric);
        r = VKD_INVALID;
    } else if (there && strcmp(there->fingerprint, fingerprint)) {
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: %.300s has no result of %.200s, whose images have changed since "
                      "others got theirs (fingerprints %s and %s): delete those results, or --no-run does without new "
                      "ones", lacking->model->label, spec, there->fingerprint, fingerprint);
        r = VKD_INVALID;
    } else if (!base && !vkd__study_is_wanted(g, &computed)) {
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: %.300s has no result of %.200s, and would get one by\n  %.300s\n"
                      "of which '%.200s' is no part: run `vkdiv transfer` with the settings that are meant; --no-run "
                      "does without it", lacking->model->label, spec, would.text, g->p->protocol);
        r = VKD_INVALID;
    }
    vkd_transfer_finish(&would);
    return r;
}

// Results are kept in the runs' folders: one that cannot be written is found before the work.
static vkd_result check_folder(const struct vkd__gather *g, const struct vkd__study_run *run)
{
    const struct vkd_study *s = g->s;
    const struct vkd__study_found *f = NULL;
    struct vkd__why why;
    vkd_result r = g->p->base_from_run ? VKD_OK : vkd__study_result(g, run, s->base, true, &f);
    bool lacks = !g->p->base_from_run && is_missing(run, s->base, f);
    for (uint32_t k = 0; r == VKD_OK && !lacks && k < s->task_count; k++) {
        r = vkd__study_result(g, run, s->task_specs[k], false, &f);
        lacks = is_missing(run, s->task_specs[k], f);
    }
    if (r < 0 || !lacks)
        return r;
    r = vkd__results_check(run->model->run, &why);
    if (r < 0)
        vkd_log_write(&g->p->log, VKD_LOG_ERROR, "study: %s, and it lacks results, which are kept there; --no-run does without "
                      "what is missing", why.text);
    return r;
}

static vkd_result transfer(struct missing *m, struct vkd__study_run *run, const char *spec, bool base)
{
    struct vkd__gather *g = m->g;
    const struct vkd__study_found *f;
    struct vkd_transfer_result result;
    vkd_result r = vkd__study_result(g, run, spec, base, &f);
    if (r < 0 || !is_missing(run, spec, f))
        return r;
    vkd_device *dev = vkd__study_device(g);
    if (!dev)
        return VKD_OK;
    if (is_stopped(g))
        return VKD_INTERRUPTED;
    snprintf(m->what, sizeof(m->what), "%.100s, %.100s", run->model->label, vkd__study_short_name(spec));
    tell(m, base ? "base accuracy" : g->s->protocol_name, 0, 1);
    struct vkd_transfer_params p = params_of(g, run, spec, base);
    p.progress = tell;
    p.stop = stop;
    p.user = m;
    r = vkd_transfer(dev, &p, &result);
    if (r == VKD_OK) {
        r = keep(g, run, spec, &result);
        vkd_transfer_finish(&result);
        return r;
    }
    if (is_fatal(r))
        return r;
    vkd_log_write(&g->p->log, VKD_LOG_WARNING, "study: %.300s has no result of %.300s: %s", run->model->label, spec,
                  vkd_result_text(r));
    return VKD_OK;
}

// Base accuracy, tasks and diversity of all runs. The most needed first: an interrupted study has whole columns.
vkd_result vkd__study_compute(struct vkd__gather *g, const struct vkd__study_probe *probe)
{
    struct vkd_study *s = g->s;
    struct missing m = { .g = g, .count = g->run_count * (s->task_count + 2) };
    vkd_result r = g->p->device && !g->p->base_from_run ? check_task(g, s->base, true) : VKD_OK;
    for (uint32_t k = 0; r == VKD_OK && g->p->device && k < s->task_count; k++)
        r = check_task(g, s->task_specs[k], false);
    for (uint32_t i = 0; r == VKD_OK && g->p->device && i < g->run_count; i++)
        r = check_folder(g, &g->runs[i]);
    for (uint32_t i = 0; r == VKD_OK && i < g->run_count; i++, m.done++)
        r = g->p->base_from_run ? VKD_OK : transfer(&m, &g->runs[i], s->base, true);
    for (uint32_t k = 0; r == VKD_OK && k < s->task_count; k++)
        for (uint32_t i = 0; r == VKD_OK && i < g->run_count; i++, m.done++)
            r = transfer(&m, &g->runs[i], s->task_specs[k], false);
    for (uint32_t i = 0; r == VKD_OK && i < g->run_count; i++, m.done++) {
        if (is_stopped(g))
            return VKD_INTERRUPTED;
        snprintf(m.what, sizeof(m.what), "%.100s", g->runs[i].model->label);
        tell(&m, "diversity", 0, 1);
        r = vkd__study_measure(g, &g->runs[i], probe);
        if (r < 0 && !is_fatal(r)) {
            vkd_log_write(&g->p->log, VKD_LOG_WARNING, "study: the diversity of %.300s is not known: %s",
                          g->runs[i].model->label, vkd_result_text(r));
            r = VKD_OK;
        }
    }
    return r;
}
