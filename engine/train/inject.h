// inject.h -- the label-injection controller: how much each step learns from labels. Host code without device,
// clock or file. Internal to engine/.
//
//     L(t) = max(1 - a, ssl_weight) L_ssl + a L_supervised      dose(t) = sum over steps of a * share / steps_per_epoch
//
// a(t) in [0, max] is the injection. The dose counts label-epochs: a whole epoch at a = 1 with every label is 1. Its
// share of a step is that of the images whose labels may be used: as many of a step's images bring one; but a step that
// learns from labels alone goes through those images alone, and its share is 1.
// With t0 = injection.start, t1 = injection.end (0: the run's end):
//
//     ssl, supervised   a = 0; a = 1
//     sequential        0 before t0; then the head alone for head_warmup epochs, which is no dose: the backbone stays
//                       as it is; then 1, with a learning rate (injection.lr) and a schedule of this stage's own
//     step              max from t0 on
//     linear, cosine    0 at t0, max from t1 on; between them max u or max (1 - cos pi u) / 2, u = (t - t0) / (t1 - t0)
//     pulse             max in [t0, t1)
//     budget            max from t0 on; injection.dose must be given
//     floor             0 before t0; then a PI controller of diversity, see vkd__inject_observe
//
// In every mode with labels the run ends when injection.dose (if not 0) is reached.
//
// Use, for each step: when vkd__inject_due says so, let the device finish, measure and call vkd__inject_observe; then
// vkd__inject_next. Everything is a function of the plan, the state and the observed numbers: a state that was saved
// between two steps goes on exactly like one that was not.
#ifndef VKD_INJECT_H
#define VKD_INJECT_H

#include <vkdiv/recipe.h>
#include <vkdiv/schedule.h>

enum vkd__inject_mode {
    VKD__INJECT_SSL, VKD__INJECT_SUPERVISED, VKD__INJECT_SEQUENTIAL, VKD__INJECT_STEP, VKD__INJECT_LINEAR,
    VKD__INJECT_COSINE, VKD__INJECT_PULSE, VKD__INJECT_BUDGET, VKD__INJECT_FLOOR,
    VKD__INJECT_MODE_COUNT
};

// Parts of a run with a schedule of their own. Only "sequential" has more than the first, which may be empty.
enum vkd__inject_stage { VKD__STAGE_MAIN, VKD__STAGE_WARMUP, VKD__STAGE_INJECTION, VKD__STAGE_COUNT };

// What a step computes.
enum vkd__route_kind {
    VKD__ROUTE_SSL,             // a = 0
    VKD__ROUTE_MIXED,           // both losses
    VKD__ROUTE_SUPERVISED,      // labels alone
    VKD__ROUTE_WARMUP,          // labels alone, and only the head learns
};

// Constant once opened; times are in steps.
struct vkd__inject_plan {
    enum vkd__inject_mode mode;
    uint32_t steps_per_epoch;
    uint32_t total_steps;       // of the run; ends with the dose where that is known beforehand (all modes but floor)
    uint32_t every;             // steps between observations
    uint32_t start, warmup_end, end;
    double max, ssl_weight;
    double dose;                // label-epochs to stop at; 0: none
    double dose_per_step;       // at a = 1, self-supervision beside
    double dose_alone;          // of a step with labels alone
    double floor, kp, ki, hysteresis;
    uint32_t stage_start[VKD__STAGE_COUNT + 1];     // stage i is [stage_start[i], stage_start[i + 1])
    struct vkd_schedule schedule[VKD__STAGE_COUNT]; // of backbone and projector, steps counted from the stage's start
    struct vkd_schedule head[VKD__STAGE_COUNT];     // of the classifier
    bool used[4];               // route kinds that the run may take, by enum vkd__route_kind
};

// Between two steps. Start from all zeros.
struct vkd__inject_state {
    uint32_t step;              // the next one
    uint32_t observed;          // 1 + the step before which diversity was last observed; 0: never
    uint32_t observations;
    bool done;                  // the run ends here: its last step or its dose is reached
    bool labelled;              // the last step learnt from labels
    double a, dose;             // of the last step; so far
    double diversity;           // as last observed
    double reference;           // diversity when labels came in; 0: not yet
    double signal;              // diversity / reference; 0 without a reference
    double integral;            // floor: the controller's memory
};

struct vkd__inject_step {
    enum vkd__route_kind kind;
    double a;
    double ssl_weight, supervised_weight;
    enum vkd__inject_stage stage;
    uint32_t stage_step, stage_steps;   // for other schedules of a stage, such as a teacher's momentum
    double lr, head_lr;         // of this step; lr is 0 in the warm-up
    double peak_lr;             // of the stage, for parameters that keep their learning rate
    bool backbone_frozen;
    bool done;                  // the run ends after this step
    const char *phase;          // "ssl", "head warm-up", "injection", "supervised"
};

// Makes the plan of a recipe that passed vkd_recipe_check and was resolved. `total_steps` are those of all epochs;
// `labelled_share`, in 0 ... 1, is the share of a step's images that bring a label. Learning rates are scaled from
// optimizer.base_batch to the batch. Warns of knobs that the mode does not read, of a dose that the epochs cannot
// give, and of a mode that leaves no self-supervised term.
//
//   VKD_INVALID  a stage without a step, a warm-up as long as its stage, labels needed and labelled_share 0
//                (the log names the key and the numbers); *out is unchanged
//
// Thread-safety: safe.
VKD_CHECKED vkd_result vkd__inject_open(const struct vkd_recipe *recipe, uint32_t steps_per_epoch, uint32_t total_steps,
                                        double labelled_share, const struct vkd_log *log, struct vkd__inject_plan *out);

// Whether diversity should be observed before the next step: every plan->every steps, and when labels come in.
bool vkd__inject_due(const struct vkd__inject_plan *plan, const struct vkd__inject_state *state);

// Takes in the diversity (RankMe of the backbone's features on the fixed probe set) measured before the next step. The
// first one at or after `start` becomes the reference. In mode floor, with h = hysteresis,
//
//     e = diversity / reference - floor;  e' = e - h, e + h or 0 as e is above h, below -h or between (the dead band)
//     integral += ki e', held in [0, max]: a leaves its bound as soon as e' changes its sign (anti-windup)
//     a = integral + kp e', held in [0, max]
//
//   VKD_DIVERGED  diversity is not a positive finite number: the log says what to do and *state is unchanged
VKD_CHECKED vkd_result vkd__inject_observe(const struct vkd__inject_plan *plan, struct vkd__inject_state *state,
                                           double diversity, const struct vkd_log *log);

// Describes the next step and moves the state behind it. Not after `done`.
struct vkd__inject_step vkd__inject_next(const struct vkd__inject_plan *plan, struct vkd__inject_state *state);

// The phase of the last step; NULL before the first.
const char *vkd__inject_phase(const struct vkd__inject_plan *plan, const struct vkd__inject_state *state);

// The step before which the dose is reached, or total_steps, and the dose by then; mode floor: with a at its largest.
// For a plan with a dose; internal to inject*.c.
uint32_t vkd__inject_dose_end(const struct vkd__inject_plan *plan, double *dose);

// The state as one line of JSON, and back to the same bits.
//
//   VKD_FORMAT  `text` is no such line; *out is unchanged
enum { VKD__INJECT_TEXT_SIZE = 384 };
void vkd__inject_state_write(const struct vkd__inject_state *state, char text[VKD__INJECT_TEXT_SIZE]);
VKD_CHECKED vkd_result vkd__inject_state_read(const char *text, struct vkd__inject_state *out);

// The modes' names, by enum vkd__inject_mode. VKD_INVALID: no mode is called `name`; *out is unchanged.
extern const char *const vkd__inject_mode_names[VKD__INJECT_MODE_COUNT];
VKD_CHECKED vkd_result vkd__inject_mode_find(const char *name, enum vkd__inject_mode *out);

#endif
