// step_bench.h -- the steps of a recipe, exactly as a run takes them, timed. Internal to engine/; the app's bench uses it.
#ifndef VKD_STEP_BENCH_H
#define VKD_STEP_BENCH_H

#include "phases.h"

#include <vkdiv/recipe.h>

typedef struct vkd__step_bench vkd__step_bench;

struct vkd__step_info {
    const char *kind;           // "self-supervised", "mixed", "supervised", "head warm-up"
    uint32_t images;            // of the set, in a step
    uint32_t views;             // of each of them through the backbone, small ones too
    double work;                // floating-point operations of products and convolutions
    uint64_t memory;            // bytes of the device that a run of the recipe needs, as foreseen before it starts
    uint32_t calls;             // of operations
    uint32_t waits;             // of the host for the device in the midst of a step: the most seen so far
    char model[32];
    uint32_t width, size;
    const char *optimizer;
};

// Opens data, model and lists as a run of the recipe would. `kind` counts the kinds of steps that the run may take.
//
//   VKD_INVALID  the recipe is wrong, or it has no such kind (the log says what)
//   and what training returns
VKD_CHECKED vkd_result vkd__step_bench_open(vkd_device *dev, const struct vkd_recipe *recipe, uint32_t kind,
                                            vkd__step_bench **out);
void vkd__step_bench_close(vkd__step_bench **b);
uint32_t vkd__step_bench_kinds(const vkd__step_bench *b);
struct vkd__step_info vkd__step_bench_info(const vkd__step_bench *b);
vkd_params *vkd__step_bench_params(const vkd__step_bench *b);       // what is trained

// Takes `steps` steps, frames in flight as in training, and gives the seconds of one.
VKD_CHECKED vkd_result vkd__step_bench_run(vkd__step_bench *b, uint32_t steps, double *seconds);

// Takes one step list by list and gives the seconds of each phase; their sum is somewhat more than a step of a run.
VKD_CHECKED vkd_result vkd__step_bench_phases(vkd__step_bench *b, double seconds[VKD__PHASE_COUNT]);

#endif
