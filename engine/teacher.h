// teacher.h -- a teacher: an average of the student's weights that follows it step by step. Internal to engine/.
//
//   t = d t + (1 - d) s          d = vkd_step_block.teacher_decay, once per step
//
// Weights and biases alone are averaged, those of batch norms included. A teacher's running statistics are its
// own: its batch norms collect them from what it is shown, as those of solo-learn (solo/utils/momentum.py) and
// MoCo v3 (moco/builder.py) do, which walk parameters() and leave buffers alone.
#ifndef VKD_TEACHER_H
#define VKD_TEACHER_H

#include <vkdiv/program.h>

typedef struct vkd__teacher vkd__teacher;

struct vkd__teacher_params {
    vkd_device *dev;
    vkd_params *params;             // holds both; must outlive the teacher
    const char *prefix;             // "teacher.": the partner of teacher.X is X
    const struct vkd_caps *caps;    // limits to keep to; NULL: the device's
};

// Pairs every parameter whose name begins with the prefix, and makes what the update needs.
//
//   VKD_INVALID    no such parameter, one without a partner of the same shape, or a trainable one (the log names it)
//   VKD_NO_MEMORY, VKD_DEVICE_LOST
//
// Thread-safety: that of the device, as for everything below.
VKD_CHECKED vkd_result vkd__teacher_create(const struct vkd__teacher_params *p, vkd__teacher **out);
void vkd__teacher_destroy(vkd__teacher **teacher);      // NULL is fine

// Appends the update, to stand behind the optimiser's: one dispatch where one binding holds all. Nothing changes
// when `metrics` (vkd_optimizer_metrics) says that the step was rejected, or when teacher_decay is 1. Errors stick
// to `cmds`.
void vkd__teacher_record(const vkd__teacher *teacher, vkd_commands *cmds, struct vkd_range step, struct vkd_range metrics);

// t = s for everything, statistics included: the start of a run. Returns when done.
VKD_CHECKED vkd_result vkd__teacher_reset(vkd__teacher *teacher);

// d of step `step` of `total`: from `momentum` along a half cosine to `momentum_end`, which it keeps from step
// `total` on (BYOL, appendix; solo-learn's update_tau).
//
//   momentum_end - (momentum_end - momentum) (cos(pi step / total) + 1) / 2
double vkd__teacher_decay(double momentum, double momentum_end, uint64_t step, uint64_t total);

#endif
