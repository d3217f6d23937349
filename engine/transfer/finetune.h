// finetune.h -- fine-tuning: a grid of runs on train, tried on val, and a last run on both. Internal to engine/transfer/.
#ifndef VKD_FINETUNE_H
#define VKD_FINETUNE_H

#include "transfer_impl.h"

#include "../train/features.h"

// `p` with its defaults filled in.
struct vkd_finetune_params vkd__finetune_params(const struct vkd_finetune_params *p);

struct vkd__finetune_result {
    double val, lr, weight_decay;   // of the best pair
    struct vkd__features said;      // logits of the test images, in the set's order; none without a test
};

// Trains what is not trained yet, from the file `weights`. `test`: also the last run.
//
//   VKD_DIVERGED     every pair's training did
//   VKD_INTERRUPTED  stop() said so: called again, it goes on there
//   and vkd_train's
VKD_CHECKED vkd_result vkd__finetune(const struct vkd__transfer *t, const char *weights, bool test,
                                     struct vkd__finetune_result *out);

// Removes the weights of last runs, unless they are to stay: until the result is written, they are all there is of it.
void vkd__finetune_tidy(const struct vkd__transfer *t);

// The class with the largest logit of each image, malloc'd. NULL: no memory.
uint32_t *vkd__finetune_predictions(const struct vkd__features *said);

// ---- finetune_files.c: what of a grid is done, and the runs' folders ----

struct vkd__finetune_point { double lr, weight_decay, val; bool done; };    // val NaN: diverged

struct vkd__finetune_grid {
    struct vkd__finetune_point *points;
    uint32_t count;
    bool complete;                  // the last run is done too
};

// Reads what FOLDER/grid.json says of the points of `g`. False: there is none, or of other points.
bool vkd__finetune_grid_read(const char *folder, struct vkd__finetune_grid *g);
VKD_CHECKED vkd_result vkd__finetune_grid_write(const char *folder, const struct vkd_log *log,
                                                const struct vkd__finetune_grid *g);

// Removes a run's weights and state; `all`: everything that a run's folder has.
void vkd__finetune_sweep(const char *run, bool all);

#endif
