// run.h -- one training run in memory. Internal to engine/train/.
#ifndef VKD_RUN_H
#define VKD_RUN_H

#include "checkpoint.h"
#include "classifier.h"
#include "run_files.h"

#include <vkdiv/schedule.h>

enum { VKD__AVERAGE_STEPS = 50 };       // what a person sees is averaged over so many steps

struct vkd__run {
    vkd_device *dev;
    struct vkd_log log;
    const struct vkd_train_params *p;
    struct vkd_recipe resolved;
    const struct vkd_recipe *recipe;    // &resolved
    struct vkd_weights_info model;      // what the files say about the model

    // Data.
    vkd_dataset *train_set, *test_set;
    vkd_loader *train_loader, *test_loader;
    struct vkd__image_plan train_images, test_images;

    // Model: training, and evaluation on the same values (or on averaged ones).
    vkd_graph *train_graph, *test_graph;
    vkd_params *params, *average;       // average: NULL without EMA
    vkd_program *train_program, *test_program;
    vkd_optimizer *optimizer;
    vkd__feed *train_feed, *test_feed;
    vkd_commands *micro, *update, *copy_average;
    struct vkd_schedule schedule;

    // Where the run is.
    uint32_t micro_batch, steps_per_epoch, total_steps;
    uint32_t step;                      // steps submitted
    uint32_t done;                      // steps whose results are in
    double previous_seconds;            // of the parts before a resume
    double started, last_told, last_saved, waited;
    uint32_t first_step;                // of this part
    uint32_t bad_images;                // unreadable ones that metrics.jsonl knows of
    uint32_t evaluated;                 // step of the last evaluation; 0: none yet
    float best_accuracy;

    // Averages of the last steps.
    double loss_sum, right_sum, count_sum;
    uint32_t averaged;
    double logged_at;                   // seconds at the last "step" event
    uint64_t logged_images, images;

    // Files.
    vkd__metrics_log *metrics;
    json_t *json;                       // run.json

    uint64_t allocations_mark;          // device objects made when the steady state began
    struct vkd_train_result result;
};

// run_open.c: everything up to the first step. On failure vkd__run_close frees what was made.
VKD_CHECKED vkd_result vkd__run_open(struct vkd__run *run, vkd_device *dev, const struct vkd_train_params *p);
void vkd__run_close(struct vkd__run *run);

#endif
