// schedule.c -- learning rates as pure functions of the step.
#include <vkdiv/schedule.h>

#include <math.h>
#include <string.h>

static const char *const names[] = { "constant", "step", "cosine" };

vkd_result vkd_schedule_find(const char *name, enum vkd_schedule_kind *out)
{
    for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!strcmp(name, names[i])) {
            *out = (enum vkd_schedule_kind) i;
            return VKD_OK;
        }
    }
    return VKD_INVALID;
}

static vkd_result reject(const struct vkd_log *log, const char *field, const char *expected, double found)
{
    vkd_log_write(log, VKD_LOG_ERROR, "schedule: %s must be %s, found %g", field, expected, found);
    return VKD_INVALID;
}

static bool rate_ok(double x)
{
    return isfinite(x) && x >= 0;
}

vkd_result vkd_schedule_check(const struct vkd_schedule *s, const struct vkd_log *log)
{
    if (!rate_ok(s->lr))
        return reject(log, "lr", "finite and not negative", s->lr);
    if (s->warmup_steps && !rate_ok(s->warmup_lr))
        return reject(log, "warmup_lr", "finite and not negative", s->warmup_lr);

    switch (s->kind) {
    case VKD_SCHEDULE_CONSTANT:
        return VKD_OK;
    case VKD_SCHEDULE_STEP:
        if (!(isfinite(s->gamma) && s->gamma > 0))
            return reject(log, "gamma", "finite and above 0", s->gamma);
        if (s->milestone_count > VKD_MILESTONE_MAX)
            return reject(log, "milestone_count", "16 at most", s->milestone_count);
        for (uint32_t i = 1; i < s->milestone_count; i++)
            if (s->milestones[i] <= s->milestones[i - 1])
                return reject(log, "milestones", "ascending", s->milestones[i]);
        return VKD_OK;
    case VKD_SCHEDULE_COSINE:
        if (!rate_ok(s->min_lr))
            return reject(log, "min_lr", "finite and not negative", s->min_lr);
        if (s->total_steps <= s->warmup_steps)
            return reject(log, "total_steps", "above warmup_steps", s->total_steps);
        return VKD_OK;
    }
    return reject(log, "kind", "constant, step or cosine", s->kind);
}

static uint32_t decays(const struct vkd_schedule *s, uint32_t step)
{
    if (s->step_size)
        return step / s->step_size;
    uint32_t n = 0;
    while (n < s->milestone_count && s->milestones[n] <= step)
        n++;
    return n;
}

double vkd_schedule_lr(const struct vkd_schedule *s, uint32_t step)
{
    if (step < s->warmup_steps)
        return s->warmup_lr + (s->lr - s->warmup_lr) * step / s->warmup_steps;
    if (s->kind == VKD_SCHEDULE_STEP)
        return s->lr * pow(s->gamma, decays(s, step));
    if (s->kind == VKD_SCHEDULE_COSINE) {
        double u = (double) (step - s->warmup_steps) / (s->total_steps - s->warmup_steps);
        return s->min_lr + (s->lr - s->min_lr) * 0.5 * (1 + cos(acos(-1.0) * fmin(1, u)));
    }
    return s->lr;
}
