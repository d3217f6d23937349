// train.h -- one training run from a resolved recipe to its files, and evaluation of its result.
#ifndef VKDIV_TRAIN_H
#define VKDIV_TRAIN_H

#include <vkdiv/data.h>
#include <vkdiv/device.h>

VKD_BEGIN

// What a run does, resolved: every default is filled in. Strings are borrowed.
struct vkd_recipe {
    struct {
        const char *train;          // data SPEC
        const char *test;           // SPEC; NULL: `train` with the split test
        float mean[3], std[3];      // of the pixels / 255
        bool shuffle;
        uint32_t threads;           // decode threads; 0: automatic
        uint32_t bad_limit;         // unreadable images tolerated
    } data;
    struct {
        const char *name;           // "none", "pad-crop", "resized-crop"
        uint32_t pad;               // pad-crop: pixels on each side
        float scale[2];             // resized-crop: share of the area
        float ratio[2];             // resized-crop: aspect
        float flip;                 // probability
    } augment;
    struct {
        const char *arch;
        uint32_t width;             // 0: the architecture's own
        const char *stem;           // "cifar" or "imagenet"
        uint32_t size;              // input height and width
        bool zero_init_residual;
        float dropout;              // < 0: the architecture's own
    } model;
    struct {
        const char *name;           // "sgd", "lars", "adam", "adamw", "lamb"
        float lr, momentum, weight_decay, beta1, beta2, eps;
        bool nesterov, decay_norm_bias;
        float clip_norm;            // 0: none
    } optimizer;
    struct {
        const char *name;           // "constant", "step", "cosine"
        float warmup_epochs, min_lr, gamma;
        uint32_t step_epochs;       // "step": every so many epochs
    } schedule;
    float label_smoothing;
    float ema;                      // decay of averaged weights; 0: none
    uint32_t batch;                 // images per optimiser step
    uint32_t accumulate;            // micro-batches per step; batch is divisible by it
    uint32_t epochs;
    uint32_t steps;                 // stop after so many; 0: after `epochs`
    uint32_t eval_every;            // epochs; 0: only at the end
    uint32_t checkpoint_minutes;    // besides every epoch's end; 0: none
    const char *init;               // safetensors to start from; NULL: from the seed
    const char *precision;          // "fp32"
    uint64_t seed;
};

// Fills `r` with the defaults that a recipe's keys override.
void vkd_recipe_default(struct vkd_recipe *r);

// Checks everything that can be known without data or device: names (with the nearest one),
// ranges, divisibility.
//
//   VKD_INVALID  `why` holds the key, what was expected and what was found
VKD_CHECKED vkd_result vkd_recipe_check(const struct vkd_recipe *r, char *why, size_t why_size);

// What the observer is told. Numbers are of the time of the call.
struct vkd_progress {
    enum { VKD_PROGRESS_STEP, VKD_PROGRESS_EVAL_BATCH, VKD_PROGRESS_EVAL, VKD_PROGRESS_CHECKPOINT, VKD_PROGRESS_END } event;
    uint32_t step, step_count, epoch, epoch_count;
    uint32_t batch, batch_count;            // EVAL_BATCH
    float loss, accuracy;                   // running averages over the last steps; of the test set for EVAL
    float lr;
    double images_per_second, seconds, eta_seconds;
    double wait_share;                      // of the time, spent waiting for data
};

struct vkd_train_params {
    const struct vkd_recipe *recipe;
    const char *out_dir;                    // created; must be empty or a run of the same recipe with `resume`
    bool resume;
    const char *command_line;               // for run.json
    // Called about 10 times a second at most for STEP and EVAL_BATCH, always for the others.
    void (*progress)(void *user, const struct vkd_progress *p);
    // Asked after each step; true ends the run after saving, with VKD_INTERRUPTED.
    bool (*stop)(void *user);
    void *user;
};

struct vkd_train_result {
    uint32_t steps, epochs;
    float train_loss, test_loss, test_accuracy, best_accuracy;
    double seconds, images_per_second, wait_share;
    uint64_t weights_hash;
    uint64_t steady_allocations;            // device allocations, pipelines and sets made after step 2: 0
};

// Trains. Files are those of the run directory (run.json, metrics.jsonl, last.safetensors,
// best.safetensors, state/). Nothing that was complete is lost by any failure.
//
//   VKD_INVALID      the recipe, the folder, or what is to be resumed is wrong (the log says what)
//   VKD_IO, VKD_FORMAT, VKD_NO_MEMORY, VKD_DEVICE_LOST
//   VKD_DIVERGED     NaN or infinity: the log names the step and the first bad tensor
//   VKD_INTERRUPTED  stop() said so; everything is saved
VKD_CHECKED vkd_result vkd_train(vkd_device *dev, const struct vkd_train_params *p, struct vkd_train_result *out);

// ---- Evaluation --------------------------------------------------------------------------------

struct vkd_eval_params {
    const char *path;               // run directory or safetensors file
    const char *data, *split;       // SPEC; NULL: what the run was tested on
    uint32_t batch;                 // 0: 256
    void (*progress)(void *user, const struct vkd_progress *p);
    bool (*stop)(void *user);
    void *user;
};

struct vkd_eval_result {
    uint32_t count, classes;
    float loss, top1, top5;         // shares in 0 ... 1
    float *per_class;               // malloc'd, `classes` accuracies; NaN for a class without images
    char **class_names;             // malloc'd block
};

VKD_CHECKED vkd_result vkd_eval(vkd_device *dev, const struct vkd_eval_params *p, struct vkd_eval_result *out);
void vkd_eval_result_finish(struct vkd_eval_result *r);

VKD_END
#endif
