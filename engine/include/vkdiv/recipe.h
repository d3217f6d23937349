// recipe.h -- what a training run does, as one struct, and the table of its keys.
#ifndef VKDIV_RECIPE_H
#define VKDIV_RECIPE_H

#include <vkdiv/base.h>

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
        float lr;
        float momentum, weight_decay, beta1, beta2, eps;    // negative: the optimiser's own, see
        float eta;                                          // engine/optimizers/; eta: LARS's trust
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

// Replaces what is left to the optimiser (negative numbers) by its own values. vkd_train does this
// to a copy; run.json has the result.
void vkd_recipe_resolve(struct vkd_recipe *r);

// Checks everything that can be known without data or device: names (with the nearest one),
// ranges, divisibility.
//
//   VKD_INVALID  `why` holds the key, what was expected and what was found
VKD_CHECKED vkd_result vkd_recipe_check(const struct vkd_recipe *r, char *why, size_t why_size);

// Every key once: X(key, member, kind). The YAML schema, --set, run.json and the checks are made
// from this table. Kinds are those of enum vkd_recipe_kind.
#define VKD_RECIPE_FIELDS(X)                                            \
    X("data.train",                data.train,                STRING)   \
    X("data.test",                 data.test,                 STRING)   \
    X("data.mean",                 data.mean,                 F32X3)    \
    X("data.std",                  data.std,                  F32X3)    \
    X("data.shuffle",              data.shuffle,              BOOL)     \
    X("data.threads",              data.threads,              U32)      \
    X("data.bad_limit",            data.bad_limit,            U32)      \
    X("augment.name",              augment.name,              STRING)   \
    X("augment.pad",               augment.pad,               U32)      \
    X("augment.scale",             augment.scale,             F32X2)    \
    X("augment.ratio",             augment.ratio,             F32X2)    \
    X("augment.flip",              augment.flip,              F32)      \
    X("model.arch",                model.arch,                STRING)   \
    X("model.width",               model.width,               U32)      \
    X("model.stem",                model.stem,                STRING)   \
    X("model.size",                model.size,                U32)      \
    X("model.zero_init_residual",  model.zero_init_residual,  BOOL)     \
    X("model.dropout",             model.dropout,             F32)      \
    X("optimizer.name",            optimizer.name,            STRING)   \
    X("optimizer.lr",              optimizer.lr,              F32)      \
    X("optimizer.momentum",        optimizer.momentum,        F32)      \
    X("optimizer.weight_decay",    optimizer.weight_decay,    F32)      \
    X("optimizer.beta1",           optimizer.beta1,           F32)      \
    X("optimizer.beta2",           optimizer.beta2,           F32)      \
    X("optimizer.eps",             optimizer.eps,             F32)      \
    X("optimizer.eta",             optimizer.eta,             F32)      \
    X("optimizer.nesterov",        optimizer.nesterov,        BOOL)     \
    X("optimizer.decay_norm_bias", optimizer.decay_norm_bias, BOOL)     \
    X("optimizer.clip_norm",       optimizer.clip_norm,       F32)      \
    X("schedule.name",             schedule.name,             STRING)   \
    X("schedule.warmup_epochs",    schedule.warmup_epochs,    F32)      \
    X("schedule.min_lr",           schedule.min_lr,           F32)      \
    X("schedule.gamma",            schedule.gamma,            F32)      \
    X("schedule.step_epochs",      schedule.step_epochs,      U32)      \
    X("label_smoothing",           label_smoothing,           F32)      \
    X("ema",                       ema,                       F32)      \
    X("batch",                     batch,                     U32)      \
    X("accumulate",                accumulate,                U32)      \
    X("epochs",                    epochs,                    U32)      \
    X("steps",                     steps,                     U32)      \
    X("eval_every",                eval_every,                U32)      \
    X("checkpoint_minutes",        checkpoint_minutes,        U32)      \
    X("init",                      init,                      STRING)   \
    X("precision",                 precision,                 STRING)   \
    X("seed",                      seed,                      U64)

enum vkd_recipe_kind {
    VKD_RECIPE_STRING, VKD_RECIPE_U32, VKD_RECIPE_U64, VKD_RECIPE_F32, VKD_RECIPE_F32X2, VKD_RECIPE_F32X3,
    VKD_RECIPE_BOOL,
};

struct vkd_recipe_field {
    const char *key;
    enum vkd_recipe_kind kind;
    size_t ofs;                     // in struct vkd_recipe
};

// The fields in the order of the table; NULL past the end. Thread-safety: safe.
const struct vkd_recipe_field *vkd_recipe_field_at(uint32_t index);

VKD_END
#endif
