// inject.c -- the label-injection controller: a(t), its dose, and the floor's PI controller.
#include "inject.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A dose adds up to its limit with an error of rounding.
static const double reached = 1 - 1e-6;

// a of step `step` in modes without feedback.
static double injection_at(const struct vkd__inject_plan *p, uint32_t step)
{
    if (p->mode == VKD__INJECT_SSL || step < p->start)
        return 0;
    if (p->mode == VKD__INJECT_SEQUENTIAL)
        return step < p->warmup_end ? 0 : 1;
    if (p->mode == VKD__INJECT_PULSE)
        return step < p->end ? p->max : 0;
    if (p->mode != VKD__INJECT_LINEAR && p->mode != VKD__INJECT_COSINE)
        return p->max;
    double u = step < p->end ? (double) (step - p->start) / (p->end - p->start) : 1;
    return p->max * (p->mode == VKD__INJECT_LINEAR ? u : 0.5 * (1 - cos(acos(-1.0) * u)));
}

// Nothing is left of self-supervision at this a.
static bool is_alone(const struct vkd__inject_plan *p, double a)
{
    return fmax(1 - a, p->ssl_weight) <= 0;
}

static double dose_of(const struct vkd__inject_plan *p, double a)
{
    return a * (is_alone(p, a) ? p->dose_alone : p->dose_per_step);
}

uint32_t vkd__inject_dose_end(const struct vkd__inject_plan *p, double *dose)
{
    uint32_t step = p->start;
    for (*dose = 0; step < p->total_steps && *dose < p->dose * reached; step++)
        *dose += dose_of(p, injection_at(p, step));
    return step;
}

// ---- Steps ----

static enum vkd__inject_stage stage_of(const struct vkd__inject_plan *p, uint32_t step)
{
    uint32_t stage = VKD__STAGE_MAIN;
    while (stage + 1 < VKD__STAGE_COUNT && step >= p->stage_start[stage + 1])
        stage++;
    return (enum vkd__inject_stage) stage;
}

const char *vkd__inject_phase(const struct vkd__inject_plan *p, const struct vkd__inject_state *s)
{
    if (!s->step)
        return NULL;
    if (stage_of(p, s->step - 1) == VKD__STAGE_WARMUP)
        return "head warm-up";
    return !s->labelled ? "ssl" : p->mode == VKD__INJECT_SUPERVISED ? "supervised" : "injection";
}

struct vkd__inject_step vkd__inject_next(const struct vkd__inject_plan *p, struct vkd__inject_state *s)
{
    uint32_t step = s->step;
    enum vkd__inject_stage stage = stage_of(p, step);
    bool warmup = stage == VKD__STAGE_WARMUP, feedback = p->mode == VKD__INJECT_FLOOR;
    double a = !feedback ? injection_at(p, step) : step < p->start ? 0 : s->a;

    s->a = a;
    s->labelled = warmup || a > 0;
    s->dose += dose_of(p, a);
    s->step++;
    s->done = s->step >= p->total_steps || (p->dose > 0 && s->dose >= p->dose * reached);

    struct vkd__inject_step out = {
        .kind = VKD__ROUTE_SSL, .a = a, .ssl_weight = 1, .stage = stage,
        .stage_step = step - p->stage_start[stage], .stage_steps = p->stage_start[stage + 1] - p->stage_start[stage],
        .backbone_frozen = warmup, .done = s->done, .phase = vkd__inject_phase(p, s),
    };
    out.lr = warmup ? 0 : vkd_schedule_lr(&p->schedule[stage], out.stage_step);
    out.head_lr = vkd_schedule_lr(&p->head[stage], out.stage_step);
    out.peak_lr = p->schedule[stage].lr;
    if (warmup) {
        out.kind = VKD__ROUTE_WARMUP;
        out.ssl_weight = 0;
        out.supervised_weight = 1;
    } else if (a > 0) {
        out.ssl_weight = fmax(1 - a, p->ssl_weight);
        out.supervised_weight = a;
        out.kind = is_alone(p, a) ? VKD__ROUTE_SUPERVISED : VKD__ROUTE_MIXED;
    }
    return out;
}

// ---- Observations ----

static bool has_reference(const struct vkd__inject_plan *p)
{
    return p->mode != VKD__INJECT_SSL && p->mode != VKD__INJECT_SUPERVISED;
}

bool vkd__inject_due(const struct vkd__inject_plan *p, const struct vkd__inject_state *s)
{
    if (s->observed == s->step + 1)
        return false;
    return (s->step > 0 && s->step % p->every == 0) || (has_reference(p) && s->step == p->start);
}

static void control(const struct vkd__inject_plan *p, struct vkd__inject_state *s)
{
    double e = s->signal - p->floor;
    e = e > p->hysteresis ? e - p->hysteresis : e < -p->hysteresis ? e + p->hysteresis : 0;
    s->integral = fmin(fmax(s->integral + p->ki * e, 0), p->max);
    s->a = fmin(fmax(s->integral + p->kp * e, 0), p->max);
}

vkd_result vkd__inject_observe(const struct vkd__inject_plan *p, struct vkd__inject_state *s, double diversity,
                               const struct vkd_log *log)
{
    if (!(isfinite(diversity) && diversity > 0)) {
        vkd_log_write(log, VKD_LOG_ERROR, "the diversity of the features is %g before step %u: the network has "
                      "diverged; use a smaller optimizer.lr", diversity, s->step);
        return VKD_DIVERGED;
    }
    if (has_reference(p) && s->reference == 0 && s->step >= p->start)
        s->reference = diversity;
    s->diversity = diversity;
    s->signal = s->reference > 0 ? diversity / s->reference : 0;
    s->observed = s->step + 1;
    s->observations++;
    if (p->mode == VKD__INJECT_FLOOR && s->reference > 0)
        control(p, s);
    return VKD_OK;
}

// ---- Saving ----

void vkd__inject_state_write(const struct vkd__inject_state *s, char text[VKD__INJECT_TEXT_SIZE])
{
    snprintf(text, VKD__INJECT_TEXT_SIZE, "{\"step\": %u, \"observed\": %u, \"observations\": %u, \"done\": %s, "
             "\"labelled\": %s, \"a\": %.17g, \"dose\": %.17g, \"diversity\": %.17g, \"reference\": %.17g, "
             "\"signal\": %.17g, \"integral\": %.17g}", s->step, s->observed, s->observations, s->done ? "true" : "false",
             s->labelled ? "true" : "false", s->a, s->dose, s->diversity, s->reference, s->signal, s->integral);
}

vkd_result vkd__inject_state_read(const char *text, struct vkd__inject_state *out)
{
    struct vkd__inject_state s = { 0 };
    json_int_t step, observed, observations;
    int done, labelled = 0;
    json_error_t error;
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    int r = !json ? -1 : json_unpack_ex(json, &error, JSON_STRICT,
        "{s:I, s:I, s:I, s:b, s?b, s:F, s:F, s:F, s:F, s:F, s:F}", "step", &step, "observed", &observed, "observations",
        &observations, "done", &done, "labelled", &labelled, "a", &s.a, "dose", &s.dose, "diversity", &s.diversity,
        "reference", &s.reference, "signal", &s.signal, "integral", &s.integral);
    json_decref(json);
    if (r < 0 || step < 0 || step > UINT32_MAX || observed < 0 || observed > UINT32_MAX || observations < 0 ||
        observations > UINT32_MAX)
        return VKD_FORMAT;
    s.step = (uint32_t) step;
    s.observed = (uint32_t) observed;
    s.observations = (uint32_t) observations;
    s.done = done != 0;
    s.labelled = labelled != 0;
    *out = s;
    return VKD_OK;
}
