// run.h -- one training run in memory. Internal to engine/train/.
#ifndef VKD_RUN_H
#define VKD_RUN_H

#include "checkpoint.h"
#include "classifier.h"
#include "inject.h"
#include "network.h"
#include "run_files.h"
#include "../teacher.h"

enum {
    VKD__AVERAGE_STEPS = 50,    // what a person sees is averaged over so many steps
    VKD__STEPS_IN_FLIGHT = 4,   // at least as many as frames of a feed
};

// Routes of the test feed, all through the evaluation program.
enum vkd__test_route { VKD__TEST, VKD__TEST_PROBE_SET, VKD__TEST_NEIGHBOURS, VKD__TEST_ROUTES };

// What was sent with a step, until its results are in.
struct vkd__sent_step { struct vkd__inject_step what; double dose; };

// Sums over the last steps; `loss` as weighed by the injection.
struct vkd__run_averages { double loss, right, count; uint32_t steps; };

// A sign that must last before it is believed: see vkd__alarm_next.
struct vkd__alarm {
    bool on;
    uint32_t steps;                     // in a row that are not as `on` says
};

struct vkd__run {
    vkd_device *dev;
    struct vkd_log log;
    const struct vkd_train_params *p;
    struct vkd_recipe resolved;
    const struct vkd_recipe *recipe;    // &resolved
    struct vkd_weights_info model;      // what the files say about the model
    struct vkd__network network;

    // Data.
    const vkd_dataset *train_set, *test_set;
    vkd_dataset *own_train, *own_test;  // the same, where they were opened for the run
    bool untested;                      // there are no labels, and no set to test on: test_set is the training set
    vkd_loader *train_loader, *test_loader;
    vkd_loader *labelled_loader;        // of images whose labels may be used, for steps of labels alone; NULL where
                                        // these go through all images
    vkd_loader *probe_loader, *neighbour_loader;    // of the training set, in order; NULL when not needed
    uint8_t *labelled;                  // by index in the training set; NULL: all labels may be used
    double labelled_share;
    struct vkd__image_plan train_images, test_images;

    // Model: a graph and a program for each kind of step that the run takes, over the same parameters.
    vkd_graph *graphs[VKD__GRAPH_KINDS];
    vkd_program *programs[VKD__GRAPH_KINDS];
    vkd_arena *arena;                   // of all programs but LOSS
    uint64_t memory;                    // bytes of the device that the run needs, as foreseen
    vkd_params *params, *average;       // average: NULL without EMA
    vkd_optimizer *optimizer;
    vkd__teacher *teacher;              // NULL without
    vkd__feed *train_feed, *test_feed;
    uint32_t routes[4];                 // of the train feed, by enum vkd__route_kind
    vkd_commands *micro[4], *update[4]; // what follows a micro-batch, and the last one, by enum vkd__route_kind; NULL
                                        // for kinds that are not used
    vkd_commands *copy_average;

    // Where the run is.
    struct vkd__inject_plan plan;
    struct vkd__inject_state inject;    // inject.step: steps submitted
    struct vkd__sent_step sent[VKD__STEPS_IN_FLIGHT];
    uint32_t ssl_steps;                 // of those submitted, steps with self-supervision
    uint32_t micro_batch, steps_per_epoch, total_steps;
    uint32_t done;                      // steps whose results are in
    double previous_seconds;            // of the parts before a resume
    double started, last_told, last_saved, waited;
    uint32_t first_step;                // of this part
    uint32_t bad_images;                // unreadable ones that metrics.jsonl knows of
    int64_t evaluated;                  // step of the last evaluation; -1: none yet
    uint32_t last_logged;               // step of the last "step" event
    float best_score;
    double rankme;                      // as last measured; 0: not yet
    struct vkd__alarm alarm;            // of collapse
    bool probe_stuck;                   // its gradient was not finite in some step

    struct vkd__run_averages averages;
    double logged_at;                   // seconds at the last "step" event
    uint64_t logged_images, images;

    // Files.
    bool new_folder;                    // the run has made its folder, and nothing is in it yet
    vkd__metrics_log *metrics;
    json_t *json;                       // run.json

    uint64_t allocations_mark;          // device objects made when the steady state began
    struct vkd_train_result result;
};

// run_open.c: everything up to the first step. On failure vkd__run_close frees what was made.
VKD_CHECKED vkd_result vkd__run_open(struct vkd__run *run, vkd_device *dev, const struct vkd_train_params *p);
// The same without folder and files, for timing steps: of `p` it reads the recipe alone.
VKD_CHECKED vkd_result vkd__run_open_bare(struct vkd__run *run, vkd_device *dev, const struct vkd_train_params *p);
void vkd__run_close(struct vkd__run *run);

// run_data.c: the sets, what of their labels may be used, the loaders.
VKD_CHECKED vkd_result vkd__run_open_sets(struct vkd__run *run);
VKD_CHECKED vkd_result vkd__run_open_loaders(struct vkd__run *run);
VKD_CHECKED vkd_result vkd__run_open_labelled(struct vkd__run *run);        // once there is a plan
// The loader that a step of `kind` takes images from.
vkd_loader *vkd__run_loader(const struct vkd__run *run, enum vkd__route_kind kind);
// Puts the loaders where the steps submitted have left them, so that a resumed run sees the same images.
VKD_CHECKED vkd_result vkd__run_seek(struct vkd__run *run);
// Before step `step`, of `kind`, goes out: leaves out the batches at an epoch's end that do not fill a step.
VKD_CHECKED vkd_result vkd__run_next_epoch(struct vkd__run *run, enum vkd__route_kind kind, uint32_t step);

// run_model.c: graphs, the check that they fit, parameters, optimiser, programs.
VKD_CHECKED vkd_result vkd__run_open_model(struct vkd__run *run);
// Images of which the self-supervised loss is taken at once.
uint32_t vkd__run_loss_batch(const struct vkd__run *run);
// The kind of graph that steps of `kind` go through.
enum vkd__graph_kind vkd__run_graph(const struct vkd__run *run, enum vkd__route_kind kind);

// run_lists.c: the optimiser, which programs take their loss scale from; teacher, feeds, recorded lists.
VKD_CHECKED vkd_result vkd__run_open_optimizer(struct vkd__run *run);
VKD_CHECKED vkd_result vkd__run_open_lists(struct vkd__run *run);
// Before the first step: the teacher is the student, prototypes have length 1.
VKD_CHECKED vkd_result vkd__run_start_heads(struct vkd__run *run);

// class_weights.c: fills in the classes' weights, where the graphs have them.
VKD_CHECKED vkd_result vkd__run_weigh_classes(struct vkd__run *run);

// run_steps.c: steps going out, and their results coming in.
double vkd__run_seconds(const struct vkd__run *run);        // trained so far, earlier parts included
VKD_CHECKED vkd_result vkd__run_submit(struct vkd__run *run);
// What the device is told of step `step`, which `what` describes.
struct vkd_step_block vkd__run_step_block(const struct vkd__run *run, uint32_t step, const struct vkd__inject_step *what);
// Whether in the last step the classifier was a probe, which learns beside.
bool vkd__run_probed(const struct vkd__run *run);
uint64_t vkd__run_objects(const struct vkd__run *run);      // device objects made so far: a steady state makes none
VKD_CHECKED vkd_result vkd__run_drain(struct vkd__run *run);
void vkd__run_tell(struct vkd__run *run, int event, double lr);
// Puts the fields that all events of metrics.jsonl have before those of `event` (consumed) and writes it.
VKD_CHECKED vkd_result vkd__run_event(struct vkd__run *run, const char *name, json_t *event);

// monitor.c: measuring features while training. All wait for the device.
// RankMe of the fixed probe set, for metrics.jsonl and, when the plan has an observation due, for the controller.
VKD_CHECKED vkd_result vkd__run_observe(struct vkd__run *run);
// Accuracy of weighted nearest neighbours among training images, for the features of the test set; NAN without labels.
VKD_CHECKED vkd_result vkd__run_neighbours(struct vkd__run *run, const struct vkd__features *test, double *top1);
// The next step shows the sign, or does not. True once where it has shown it for 100 steps in a row, and once more only
// after as many without it.
bool vkd__alarm_next(struct vkd__alarm *a, bool sign);
// Warns when a step's numbers are those of a collapsed network.
VKD_CHECKED vkd_result vkd__run_watch(struct vkd__run *run, double ssl_loss, double spread);

#endif
