// checkpoint.h -- everything a run needs to go on, bit for bit. Internal to engine/.
//
// state/step-N.safetensors holds the flat buffers (values, optimiser states); state/step-N.done,
// written after it, its hash. A checkpoint counts only with its marker; the last two are kept.
#ifndef VKD_CHECKPOINT_H
#define VKD_CHECKPOINT_H

#include "inject.h"

#include <vkdiv/optimizer.h>

// What is kept besides the buffers.
struct vkd__checkpoint_info {
    uint64_t step;
    double seconds;             // trained so far
    int64_t evaluated;          // step of the last evaluation; -1 (or 0 in a longer run): none yet
    uint64_t ssl_steps;         // with self-supervision
    float train_loss, test_loss, test_accuracy, best_accuracy, best_score;
    char injection[VKD__INJECT_TEXT_SIZE];      // vkd__inject_state_write
};

// Writes the checkpoint of info->step and removes older ones but one.
VKD_CHECKED vkd_result vkd__checkpoint_save(const char *dir, vkd_device *dev, vkd_params *params,
                                            const vkd_optimizer *opt, const struct vkd__checkpoint_info *info);

// Whether DIR has a complete checkpoint.
bool vkd__checkpoint_exists(const char *dir);

// Loads the newest complete checkpoint.
//
//   VKD_IO      there is none
//   VKD_FORMAT  it is damaged or of another model (the log says which file, and what to do)
VKD_CHECKED vkd_result vkd__checkpoint_load(const char *dir, vkd_device *dev, vkd_params *params,
                                            const vkd_optimizer *opt, struct vkd__checkpoint_info *info);

#endif
