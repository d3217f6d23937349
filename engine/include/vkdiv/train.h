// train.h -- one training run from a resolved recipe to its files, and evaluation of its result. Thread-safety: functions
// that take a device have that of the device, and one run's folder is for one of them at a time; the others are safe.
#ifndef VKDIV_TRAIN_H
#define VKDIV_TRAIN_H

#include <vkdiv/data.h>
#include <vkdiv/device.h>
#include <vkdiv/recipe.h>

VKD_BEGIN

// What the observer is told. Numbers are of the time of the call.
struct vkd_progress {
    enum { VKD_PROGRESS_STEP, VKD_PROGRESS_EVAL_BATCH, VKD_PROGRESS_EVAL, VKD_PROGRESS_CHECKPOINT, VKD_PROGRESS_END } event;
    uint32_t step, step_count, epoch, epoch_count;
    uint32_t batch, batch_count;            // EVAL_BATCH
    float loss, accuracy;                   // running averages over the last steps; of the test set for EVAL; accuracy NaN:
                                            // there is none
    bool multi_label;                       // of EVAL, the accuracy is a mean average precision
    bool probe;                             // the accuracy is that of a linear classifier which learns beside, from features
                                            // that it does not change
    float lr;
    double images_per_second, seconds, eta_seconds;
    double wait_share;                      // of the time, spent waiting for data
    float injection;                        // of labels into self-supervision
    const char *phase;                      // "ssl", "head warm-up", "injection", "supervised"; NULL for labels alone
    float neighbours, rankme;               // EVAL of a self-supervised run: kNN accuracy, diversity; NaN: not measured
};

struct vkd_train_params {
    const struct vkd_recipe *recipe;
    const char *out_dir;                    // created; must hold no run or, with `resume`, one of the same recipe
    bool resume;
    bool quiet;                             // nothing is logged below a warning
    const char *command_line;               // for run.json
    const char *part_of;                    // for run.json: what this training is a step of, so that it is no model of its
                                            // own; NULL: of nothing
    // In place of the sets of data.train and data.test, which then are names alone; borrowed. NULL: those are opened.
    const vkd_dataset *train_set, *test_set;
    // Called about 10 times a second at most for STEP and EVAL_BATCH, always for the others.
    void (*progress)(void *user, const struct vkd_progress *p);
    // Asked after each step and each batch of an evaluation; true ends the run after saving, with
    // VKD_INTERRUPTED. An evaluation that was broken off is made when the run is resumed.
    bool (*stop)(void *user);
    void *user;
};

struct vkd_train_result {
    uint32_t steps, epochs;
    float train_loss, test_loss, test_accuracy, best_accuracy;  // with several labels an image: mean average precision
    float neighbours;                       // accuracy of nearest neighbours, as last measured; NaN: not measured
    float rankme;                           // diversity, as last measured; NaN: not measured
    bool classified, multi_label;           // there are test results; they are mean average precisions
    bool probe;                             // they are those of a linear classifier beside; see vkd_progress
    double seconds, images_per_second, wait_share;
    uint64_t weights_hash;
    uint64_t steady_allocations;            // device objects made by training steps after the second: 0
};

// Trains. Files are those of the run directory (run.json, metrics.jsonl, last.safetensors,
// best.safetensors, state/). Nothing that was complete is lost by any failure.
//
//   VKD_INVALID      the recipe, the folder, or what is to be resumed is wrong (the log says what)
//   VKD_IO, VKD_FORMAT, VKD_NO_MEMORY, VKD_DEVICE_LOST
//   VKD_DIVERGED     NaN or infinity: the log names the step and the first bad tensor
//   VKD_INTERRUPTED  stop() said so; everything is saved
VKD_CHECKED vkd_result vkd_train(vkd_device *dev, const struct vkd_train_params *p, struct vkd_train_result *out);

// Whether `dir` holds a complete run of this recipe, so that there is nothing to resume. Reads run.json alone, and takes
// milliseconds. Thread-safety: safe.
bool vkd_train_is_complete(const struct vkd_recipe *recipe, const char *dir);

// ---- Evaluation --------------------------------------------------------------------------------

struct vkd_eval_params {
    const char *path;               // run directory (last.safetensors; best.safetensors where the run chose it on a
                                    // split val) or safetensors file
    const char *data, *split;       // SPEC; NULL: what the run was tested on
    uint32_t batch;                 // 0: 256
    void (*progress)(void *user, const struct vkd_progress *p);
    bool (*stop)(void *user);
    void *user;
};

struct vkd_eval_result {
    uint32_t count, classes;
    float loss, top1, top5;         // shares in 0 ... 1
    bool multi_label;               // then top1 and top5 are NaN, and these hold:
    float map, map11;               // vkd_map's plain and voc11
    float *per_class;               // malloc'd, `classes` accuracies, with several labels an image average precisions; NaN
                                    // for a class without images
    char **class_names;             // malloc'd, each name too
};

VKD_CHECKED vkd_result vkd_eval(vkd_device *dev, const struct vkd_eval_params *p, struct vkd_eval_result *out);
void vkd_eval_result_finish(struct vkd_eval_result *r);

// ---- Looking at views --------------------------------------------------------------------------

struct vkd_preview_params {
    const struct vkd_recipe *recipe;    // data, views and seed; its method says which views there are
    uint32_t count;                 // images: rows of the sheet, spread evenly over the training set
    uint32_t draws;                 // of all random views, as in that many epochs
    const char *path;               // of the PNG, replaced atomically
};

struct vkd_preview_result {
    uint32_t count;                 // images shown
    uint32_t views;                 // of an image in a draw: supervised; and, of self-supervision, the two large ones, crops
    uint32_t width, height;         // of the sheet, in pixels
    uint32_t black;                 // views without a pixel of more than 2 %: a warning tells of them
};

// Writes a contact sheet: below the columns' names in each row the whole image, then its views, draw after draw, made by
// the kernels and random numbers of training. Views smaller than 96 pixels a side are shown enlarged.
//
//   VKD_INVALID  the recipe is wrong, or the sheet too large (the log says what)
//   VKD_IO, VKD_FORMAT, VKD_NO_MEMORY, VKD_DEVICE_LOST
VKD_CHECKED vkd_result vkd_preview(vkd_device *dev, const struct vkd_preview_params *p, struct vkd_preview_result *out);

VKD_END
#endif
