// inject_open.c -- from a recipe to the plan of its label injection.
#include "inject.h"

#include <math.h>
#include <string.h>

const char *const vkd__inject_mode_names[VKD__INJECT_MODE_COUNT] = {
    "ssl", "supervised", "sequential", "step", "linear", "cosine", "pulse", "budget", "floor",
};

vkd_result vkd__inject_mode_find(const char *name, enum vkd__inject_mode *out)
{
    for (uint32_t i = 0; i < VKD__INJECT_MODE_COUNT; i++) {
        if (!strcmp(name, vkd__inject_mode_names[i])) {
            *out = (enum vkd__inject_mode) i;
            return VKD_OK;
        }
    }
    return VKD_INVALID;
}

// ---- Warnings ----

// The modes that read a key, as bits.
#define MODE(name) (1u << VKD__INJECT_##name)
enum {
    WITH_START = MODE(SEQUENTIAL) | MODE(STEP) | MODE(LINEAR) | MODE(COSINE) | MODE(PULSE) | MODE(BUDGET) | MODE(FLOOR),
    WITH_END = MODE(LINEAR) | MODE(COSINE) | MODE(PULSE),
    WITH_MAX = WITH_START & ~MODE(SEQUENTIAL),
    WITH_LABELS = WITH_START | MODE(SUPERVISED),
};

static void warn_unread(const struct vkd_recipe *r, enum vkd__inject_mode mode, const struct vkd_log *log)
{
    struct vkd_recipe d;
    vkd_recipe_default(&d);
    const struct { const char *key; bool set; uint32_t modes; } knobs[] = {
#define KNOB(name, modes) { "injection." #name, r->injection.name != d.injection.name, modes }
        KNOB(start, WITH_START), KNOB(end, WITH_END), KNOB(max, WITH_MAX), KNOB(dose, WITH_LABELS),
        KNOB(label_fraction, WITH_LABELS), KNOB(head_depth, WITH_LABELS), KNOB(head_width, WITH_LABELS),
        KNOB(head_warmup, MODE(SEQUENTIAL)), KNOB(ssl_weight, WITH_MAX), KNOB(freeze, WITH_LABELS),
        { "injection.bn", strcmp(r->injection.bn, d.injection.bn) != 0, WITH_LABELS },
        { "injection.lr", r->injection.lr >= 0 && r->injection.lr != r->optimizer.lr, WITH_LABELS },
        KNOB(floor, MODE(FLOOR)), KNOB(kp, MODE(FLOOR)), KNOB(ki, MODE(FLOOR)), KNOB(hysteresis, MODE(FLOOR)),
#undef KNOB
    };
    for (size_t i = 0; i < sizeof(knobs) / sizeof(knobs[0]); i++)
        if (knobs[i].set && !(knobs[i].modes >> mode & 1))
            vkd_log_write(log, VKD_LOG_WARNING, "%s has no effect with injection.mode %s", knobs[i].key,
                          vkd__inject_mode_names[mode]);
}

// ---- Schedules ----

static uint32_t steps_of(double epochs, uint32_t steps_per_epoch)
{
    return (uint32_t) fmin(epochs * steps_per_epoch + 0.5, INT32_MAX);
}

// A stage's schedule from `lr`; the warm-up of stages after the first takes a tenth of them at most.
static struct vkd_schedule schedule_of(const struct vkd_recipe *r, const struct vkd__inject_plan *p, uint32_t stage,
                                       double lr)
{
    uint32_t steps = p->stage_start[stage + 1] - p->stage_start[stage];
    uint32_t warmup = steps_of((double) r->schedule.warmup_epochs, p->steps_per_epoch);
    if (stage == VKD__STAGE_INJECTION && warmup > steps / 10)
        warmup = steps / 10;
    struct vkd_schedule s = {
        .lr = lr, .warmup_steps = warmup, .warmup_lr = warmup ? lr / warmup : 0, .total_steps = steps,
        .min_lr = (double) r->schedule.min_lr, .gamma = (double) r->schedule.gamma,
        .step_size = steps_of(r->schedule.step_epochs, p->steps_per_epoch),
    };
    if (stage == VKD__STAGE_WARMUP)
        s = (struct vkd_schedule) { .kind = VKD_SCHEDULE_CONSTANT, .lr = lr };
    else if (vkd_schedule_find(r->schedule.name, &s.kind) < 0)
        s.kind = VKD_SCHEDULE_CONSTANT;     // vkd_recipe_check knows the names
    return s;
}

static vkd_result open_schedules(const struct vkd_recipe *r, const struct vkd_log *log, struct vkd__inject_plan *p)
{
    double scale = r->optimizer.base_batch ? (double) r->batch / r->optimizer.base_batch : 1;
    double lr = scale * (double) r->optimizer.lr;
    double head = r->injection.lr < 0 ? lr : scale * (double) r->injection.lr;
    for (uint32_t i = 0; i < VKD__STAGE_COUNT; i++) {
        uint32_t steps = p->stage_start[i + 1] - p->stage_start[i];
        p->schedule[i] = schedule_of(r, p, i, i == VKD__STAGE_MAIN ? lr : head);
        p->head[i] = schedule_of(r, p, i, head);
        if (steps && p->schedule[i].kind == VKD_SCHEDULE_COSINE && p->schedule[i].warmup_steps >= steps) {
            double epochs = (double) steps / p->steps_per_epoch;
            vkd_log_write(log, VKD_LOG_ERROR, "schedule.warmup_epochs: expected less than the %.4g epoch%s that the %s, "
                          "found %.7g: set it to %.2g, say, or epochs higher", epochs, epochs == 1 ? "" : "s",
                          steps == p->total_steps ? "run takes" : "self-supervised stage takes",
                          (double) r->schedule.warmup_epochs, epochs / 10);
            return VKD_INVALID;
        }
        if (steps && (vkd_schedule_check(&p->schedule[i], log) < 0 || vkd_schedule_check(&p->head[i], log) < 0))
            return VKD_INVALID;
    }
    return VKD_OK;
}

// ---- Times ----

static vkd_result check_times(const struct vkd__inject_plan *p, const struct vkd_log *log)
{
    double epoch = p->steps_per_epoch;
    if (!p->total_steps)
        return VKD_OK;
    if ((WITH_START >> p->mode & 1) && p->start >= p->total_steps)
        vkd_log_write(log, VKD_LOG_ERROR, "injection.start: expected a time before the run's end after %.4g epochs, "
                      "found %.4g", p->total_steps / epoch, p->start / epoch);
    else if ((WITH_END >> p->mode & 1) && p->end <= p->start)
        vkd_log_write(log, VKD_LOG_ERROR, "injection.end: expected a time after injection.start (step %u), found step "
                      "%u", p->start, p->end);
    else if (p->mode == VKD__INJECT_SEQUENTIAL && p->warmup_end >= p->total_steps)
        vkd_log_write(log, VKD_LOG_ERROR, "injection.head_warmup: expected a time that leaves something of the %.4g "
                      "epochs after injection.start for the backbone, found %.4g", (p->total_steps - p->start) / epoch,
                      (p->warmup_end - p->start) / epoch);
    else if ((WITH_LABELS >> p->mode & 1) && !(p->dose_per_step > 0))
        vkd_log_write(log, VKD_LOG_ERROR, "injection.mode %s needs labels, and the training set has none that may be "
                      "used", vkd__inject_mode_names[p->mode]);
    else
        return VKD_OK;
    return VKD_INVALID;
}

// Ends the run with its dose, or says that the epochs cannot give it.
static void limit_dose(struct vkd__inject_plan *p, const struct vkd_log *log)
{
    double most;
    if (p->dose <= 0 || !p->total_steps)
        return;
    uint32_t end = vkd__inject_dose_end(p, &most);
    if (most < p->dose * (1 - 1e-6))
        vkd_log_write(log, VKD_LOG_WARNING, "injection.dose: %.4g label-epochs are more than the %.4g that the run's "
                      "%.4g epochs can give: it ends with these", p->dose, most,
                      (double) p->total_steps / p->steps_per_epoch);
    if (p->mode != VKD__INJECT_FLOOR)
        p->total_steps = end;
}

static void warn_effects(const struct vkd__inject_plan *p, const struct vkd_log *log)
{
    if ((WITH_MAX >> p->mode & 1) && p->mode != VKD__INJECT_FLOOR && p->max >= 1 && p->ssl_weight <= 0)
        vkd_log_write(log, VKD_LOG_WARNING, "injection.max 1 with injection.ssl_weight 0: where a is 1 nothing is left "
                      "of self-supervision");
    uint32_t most = (p->total_steps - p->start) / 10;       // steps between observations of a controller that has enough
    if (p->mode == VKD__INJECT_FLOOR && p->total_steps && p->every > most)
        vkd_log_write(log, VKD_LOG_WARNING, "monitor.every: with an observation every %u of %u steps the floor's "
                      "controller has little to go by: set it to %u or less", p->every, p->total_steps - p->start,
                      most ? most : 1);
}

static void note_routes(struct vkd__inject_plan *p)
{
    bool labels = WITH_LABELS >> p->mode & 1;
    bool alone = p->ssl_weight <= 0 && p->max >= 1;     // a can be 1
    bool back = (WITH_END | MODE(FLOOR)) >> p->mode & 1;    // a can be 0 after the start
    p->used[VKD__ROUTE_SSL] = !labels || p->start > 0 || back;
    p->used[VKD__ROUTE_MIXED] = (WITH_MAX >> p->mode & 1) &&
        (!alone || p->mode == VKD__INJECT_LINEAR || p->mode == VKD__INJECT_COSINE || p->mode == VKD__INJECT_FLOOR);
    p->used[VKD__ROUTE_SUPERVISED] = labels && alone;
    p->used[VKD__ROUTE_WARMUP] = p->mode == VKD__INJECT_SEQUENTIAL && p->warmup_end > p->start;
}

vkd_result vkd__inject_open(const struct vkd_recipe *r, uint32_t steps_per_epoch, uint32_t total_steps,
                            double labelled_share, const struct vkd_log *log, struct vkd__inject_plan *out)
{
    struct vkd__inject_plan p = {
        .steps_per_epoch = steps_per_epoch, .total_steps = total_steps, .max = 1, .dose = (double) r->injection.dose,
        .dose_per_step = labelled_share / steps_per_epoch,
        .dose_alone = labelled_share > 0 ? 1.0 / steps_per_epoch : 0, .floor = (double) r->injection.floor,
        .kp = (double) r->injection.kp, .ki = (double) r->injection.ki, .hysteresis = (double) r->injection.hysteresis,
    };
    if (vkd__inject_mode_find(r->injection.mode, &p.mode) < 0) {
        vkd_log_write(log, VKD_LOG_ERROR, "injection.mode: there is no mode '%s'", r->injection.mode);
        return VKD_INVALID;
    }
    p.every = r->monitor.every ? r->monitor.every : steps_per_epoch;
    p.end = total_steps;
    if (WITH_START >> p.mode & 1)
        p.start = steps_of((double) r->injection.start, steps_per_epoch);
    if ((WITH_END >> p.mode & 1) && r->injection.end > 0)
        p.end = steps_of((double) r->injection.end, steps_per_epoch);
    if (WITH_MAX >> p.mode & 1) {
        p.max = (double) r->injection.max;
        p.ssl_weight = (double) r->injection.ssl_weight;
    }
    p.warmup_end = p.start;
    if (p.mode == VKD__INJECT_SEQUENTIAL)
        p.warmup_end += steps_of((double) r->injection.head_warmup, steps_per_epoch);
    if (!(WITH_LABELS >> p.mode & 1))
        p.dose = 0;
    vkd_result result = check_times(&p, log);
    if (result < 0)
        return result;
    warn_unread(r, p.mode, log);
    limit_dose(&p, log);
    warn_effects(&p, log);
    note_routes(&p);
    bool staged = p.mode == VKD__INJECT_SEQUENTIAL && total_steps;
    p.stage_start[VKD__STAGE_WARMUP] = staged ? p.start : p.total_steps;
    p.stage_start[VKD__STAGE_INJECTION] = staged ? p.warmup_end : p.total_steps;
    p.stage_start[VKD__STAGE_COUNT] = p.total_steps;
    result = open_schedules(r, log, &p);
    if (result == VKD_OK)
        *out = p;
    return result;
}
