// missing.c -- computes what the runs of a study lack, and leaves it in their folders.
#include "study.h"

#include <vkdiv/transfer.h>

#include <stdio.h>

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

static vkd_result transfer(struct missing *m, struct vkd__study_run *run, const char *spec, bool base)
{
    struct vkd__gather *g = m->g;
    const struct vkd__study_found *f;
    struct vkd_transfer_result result;
    vkd_result r = vkd__study_result(g, run, spec, base, &f);
    if (r < 0 || f || !run->weights || !vkd__study_data_exist(spec))
        return r;
    vkd_device *dev = vkd__study_device(g);
    if (!dev)
        return VKD_OK;
    if (is_stopped(g))
        return VKD_INTERRUPTED;
    snprintf(m->what, sizeof(m->what), "%.100s, %.100s", run->model->label, vkd__study_short_name(spec));
    tell(m, base ? "base accuracy" : g->s->protocol_name, 0, 1);
    r = vkd_transfer(dev, &(struct vkd_transfer_params) {
        .model = run->model->run, .data = spec, .protocol = base ? VKD__STUDY_BASE_PROTOCOL : g->s->protocol_name,
        .progress = tell, .stop = stop, .user = m }, &result);
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
    vkd_result r = VKD_OK;
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
