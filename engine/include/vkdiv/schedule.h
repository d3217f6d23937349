// schedule.h -- learning rates as pure functions of the step.
#ifndef VKDIV_SCHEDULE_H
#define VKDIV_SCHEDULE_H

#include <vkdiv/base.h>

VKD_BEGIN

enum vkd_schedule_kind {
    VKD_SCHEDULE_CONSTANT,
    VKD_SCHEDULE_STEP,      // times gamma at each milestone, or every step_size steps
    VKD_SCHEDULE_COSINE,    // from lr down to min_lr over the steps after the warm-up
};

#define VKD_MILESTONE_MAX 16

// With s the step (0 is the first), W warmup_steps and T total_steps:
//
//   s < W        lr(s) = warmup_lr + (lr - warmup_lr) s / W                (torch LinearLR)
//   constant     lr(s) = lr
//   step         lr(s) = lr gamma^floor(s / step_size)                     (torch StepLR), or
//                lr(s) = lr gamma^(number of milestones <= s)              (torch MultiStepLR)
//   cosine       lr(s) = min_lr + (lr - min_lr) (1 + cos(pi u)) / 2,
//                u = min(1, (s - W) / (T - W))           (torch CosineAnnealingLR, T_max = T - W)
//
// Steps and milestones of "step" count from step 0, warm-up included.
struct vkd_schedule {
    enum vkd_schedule_kind kind;
    double lr;
    uint32_t warmup_steps;
    double warmup_lr;               // of step 0 when there is a warm-up
    uint32_t total_steps;           // cosine
    double min_lr;                  // cosine
    double gamma;                   // step
    uint32_t step_size;             // step: 0 to go by the milestones
    uint32_t milestone_count;
    uint32_t milestones[VKD_MILESTONE_MAX];     // ascending
};

// The kind called "constant", "step" or "cosine".
//
//   VKD_INVALID  no such schedule; *out is unchanged
//
// Thread-safety: safe, like everything here.
VKD_CHECKED vkd_result vkd_schedule_find(const char *name, enum vkd_schedule_kind *out);

// Checks the fields that the kind reads: rates finite and not negative, gamma > 0, cosine with
// total_steps > warmup_steps, milestones ascending.
//
//   VKD_INVALID  the log says which field, what was expected and what was found
VKD_CHECKED vkd_result vkd_schedule_check(const struct vkd_schedule *s, const struct vkd_log *log);

// The learning rate of step `step` of a schedule that passes vkd_schedule_check.
double vkd_schedule_lr(const struct vkd_schedule *s, uint32_t step);

VKD_END
#endif
