// recipe.h -- what a training run does, as one struct, and the table of its keys. Thread-safety of all functions: safe, on
// different recipes.
#ifndef VKDIV_RECIPE_H
#define VKDIV_RECIPE_H

#include <vkdiv/base.h>

VKD_BEGIN

// One random view of an image, in the order of its operations. Probabilities are in 0 ... 1.
struct vkd_recipe_view {
    const char *filter;             // of the resize: "bilinear" or "bicubic", both antialiased
    float scale[2], ratio[2];       // random resized crop: share of the area, aspect
    float flip;                     // probability
    float jitter[4];                // brightness, contrast, saturation, hue
    float jitter_p, gray, blur;     // probabilities
    float sigma[2];                 // of the blur, in pixels
    float solarize;                 // probability
};

// What a run does, resolved: every default is filled in. Strings are borrowed.
struct vkd_recipe {
    const char *method;             // "supervised", or a self-supervised method (engine/ssl/)
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
    } augment;                      // of the view that labels are learnt from
    struct vkd_recipe_view view1, view2;    // of self-supervision: the two large views ...
    struct {
        uint32_t count, size;       // ... and small ones besides (multi-crop)
        struct vkd_recipe_view view;
    } crops;
    struct {
        const char *arch;
        uint32_t width;             // 0: the architecture's own
        const char *stem;           // "cifar" or "imagenet"
        uint32_t size;              // input height and width
        uint32_t channels;          // 1 or 3; 0: those of the images
        bool zero_init_residual;
        float dropout;              // < 0: the architecture's own
        float norm_momentum;        // PyTorch's, of the backbone's batch norms: share of a batch in their statistics
    } model;
    struct {
        const char *name;           // "sgd", "lars", "adam", "adamw", "lamb"
        float lr;
        float momentum, weight_decay, beta1, beta2, eps;    // negative: the optimiser's own, see
        float eta;                                          // engine/optimizers/; eta: LARS's trust
        bool nesterov, decay_norm_bias;
        float clip_norm;            // 0: none
        bool clip_lr;               // LARS: never a longer step than SGD's
        float stage_decay;          // the backbone's last stage learns at lr * this, the one before at lr * this^2, ...
        uint32_t base_batch;        // lr and injection.lr are for this batch and scaled linearly to the run's; 0: they
                                    // are as they are
    } optimizer;
    struct {
        const char *name;           // "constant", "step", "cosine"
        float warmup_epochs, min_lr, gamma;
        uint32_t step_epochs;       // "step": every so many epochs
    } schedule;
    // Self-supervision. Negative numbers and zero sizes: the method's own (engine/ssl/).
    struct {
        uint32_t projector_hidden, projector_out, projector_layers, predictor_hidden, prototypes, queue;
        float queue_start;          // epochs before the queue is used (SwAV); more than the run has: never
        float frozen_epochs;        // during which the last layer stays as it is (SwAV, DINO)
        float temperature, teacher_temperature;
        float momentum, momentum_end;   // of the teacher, from the first step to the last (cosine)
        float center_momentum;      // DINO
        bool projector_norm;        // DINO: batch norm between the projector's layers
        float epsilon;              // Sinkhorn
        uint32_t iterations;        // Sinkhorn
        float lambda, scale;        // Barlow Twins: weight of the off-diagonal; of the whole
        float invariance, variance, covariance;     // VICReg
        bool grad_cache;            // with accumulate > 1: the loss is that of the whole batch
    } ssl;
    // Labels injected into self-supervision: L = max(1 - a, ssl_weight) L_ssl + a L_supervised.
    struct {
        const char *mode;           // "ssl", "supervised", "sequential", "step", "linear", "cosine", "pulse", "budget",
                                    // "floor"; NULL: "supervised" for that method, else "ssl"
        float start, end;           // epochs: t0, t1 (end 0: the run's end)
        float max;                  // largest a
        float dose;                 // label-epochs to stop at: as many labels seen, times a, as the set has images; 0:
                                    // no limit
        float label_fraction;       // share of the images whose labels may be used; steps of labels alone go through
                                    // these images alone, as many steps an epoch as there are through all of them
        uint32_t head_depth;        // hidden layers between backbone and classifier
        uint32_t head_width;        // 0: as wide as the features
        float head_warmup;          // sequential: epochs for the head alone, on a fixed backbone
        float lr;                   // of the head; in sequential's last stage of everything; negative: optimizer.lr
        float ssl_weight;           // least weight of the self-supervised term while labels are in (not in sequential)
        uint32_t freeze;            // stages of the backbone that labels do not change: 1 stem, 2 and first stage, ...
        const char *bn;             // batch norms of the supervised view: "batch" or "frozen" statistics
        float floor;                // floor: least diversity, as a share (0 ... 1) of that when labels come in
        float kp, ki, hysteresis;   // floor: controller gains per observation, and its dead band
    } injection;
    struct {
        bool probe;                 // online linear classifier on detached features
        float probe_lr;
        uint32_t every;             // steps between observations of diversity; 0: once an epoch
        uint32_t images;            // of the fixed probe set that diversity is measured on
        uint32_t knn_every;         // epochs; 0: at the end
        uint32_t knn_k, knn_images; // neighbours; images of the training set searched (0: all)
        float knn_temperature;
        float score_lambda;         // best weights by logit(accuracy) + score_lambda log(RankMe)
    } monitor;
    const char *loss;               // of the labels: "cross-entropy", "bce", "asl"; NULL: by the data
    const char *class_weights;      // in that loss while training: "none" or "balanced": cross-entropy: images /
                                    // (classes * images of the class); bce: of a label that is there, images without
                                    // it / images with it. (PyTorch's weight and pos_weight.)
    float label_smoothing;
    float diversity_penalty;        // weight in the loss of the squared cosines between the filters of a layer, mean over
                                    // pairs, then over the backbone's convolutions that are not grouped; 0: none
    float ema;                      // decay of averaged weights; 0: none
    uint32_t batch;                 // images per optimiser step
    uint32_t accumulate;            // micro-batches per step; batch is divisible by it
    uint32_t epochs;                // 0: no step at all, the start values are tested and saved
    uint32_t steps;                 // stop after so many; 0: after `epochs`
    uint32_t eval_every;            // epochs; 0: only at the end
    uint32_t checkpoint_minutes;    // besides every epoch's end; 0: none
    uint32_t keep_every;            // epochs between weights that stay, in checkpoints/; 0: none stay
    const char *init;               // safetensors to start from; NULL: from the seed
    const char *init_part;          // of it: "all", or "backbone" and a classifier from the seed
    const char *precision;          // that the backbone stores activations and their gradients in while training: "fp32",
                                    // "fp16", "bf16"; arithmetic, weights and all else are fp32
    struct {
        float start, growth, backoff;   // of fp16: see struct vkd_optimizer_config
        uint32_t interval;
    } loss_scale;
    uint64_t seed;
};

// Fills `r` with the defaults that a recipe's keys override.
void vkd_recipe_default(struct vkd_recipe *r);

// Replaces what is left to the optimiser (negative numbers) by its own values, and optimizer.lr and
// injection.lr by those of the batch: lr * batch / base_batch, base_batch then being 0, so that
// resolving twice is resolving once. vkd_train does this to a copy; run.json has the result, and a
// resumed run compares results.
void vkd_recipe_resolve(struct vkd_recipe *r);

// Checks everything that can be known without data or device: names (with the nearest one),
// ranges, divisibility.
//
//   VKD_INVALID  `why` holds the key, what was expected and what was found
VKD_CHECKED vkd_result vkd_recipe_check(const struct vkd_recipe *r, char *why, size_t why_size);

// The keys of a view, under `section`.
#define VKD_RECIPE_VIEW_FIELDS(X, section, view)                                \
    X(section ".filter",            view.filter,                  STRING)       \
    X(section ".scale",             view.scale,                   F32X2)        \
    X(section ".ratio",             view.ratio,                   F32X2)        \
    X(section ".flip",              view.flip,                    F32)          \
    X(section ".jitter",            view.jitter,                  F32X4)        \
    X(section ".jitter_p",          view.jitter_p,                F32)          \
    X(section ".gray",              view.gray,                    F32)          \
    X(section ".blur",              view.blur,                    F32)          \
    X(section ".sigma",             view.sigma,                   F32X2)        \
    X(section ".solarize",          view.solarize,                F32)

// Every key once: X(key, member, kind). The YAML schema, --set, run.json and the checks are made
// from this table; keys of a section follow each other. Kinds are those of enum vkd_recipe_kind.
#define VKD_RECIPE_FIELDS(X)                                                    \
    X("method",                     method,                       STRING)       \
    X("data.train",                 data.train,                   STRING)       \
    X("data.test",                  data.test,                    STRING)       \
    X("data.mean",                  data.mean,                    F32X3)        \
    X("data.std",                   data.std,                     F32X3)        \
    X("data.shuffle",               data.shuffle,                 BOOL)         \
    X("data.threads",               data.threads,                 U32)          \
    X("data.bad_limit",             data.bad_limit,               U32)          \
    X("augment.name",               augment.name,                 STRING)       \
    X("augment.pad",                augment.pad,                  U32)          \
    X("augment.scale",              augment.scale,                F32X2)        \
    X("augment.ratio",              augment.ratio,                F32X2)        \
    X("augment.flip",               augment.flip,                 F32)          \
    VKD_RECIPE_VIEW_FIELDS(X, "view1", view1)                                   \
    VKD_RECIPE_VIEW_FIELDS(X, "view2", view2)                                   \
    X("crops.count",                crops.count,                  U32)          \
    X("crops.size",                 crops.size,                   U32)          \
    VKD_RECIPE_VIEW_FIELDS(X, "crops", crops.view)                              \
    X("model.arch",                 model.arch,                   STRING)       \
    X("model.width",                model.width,                  U32)          \
    X("model.stem",                 model.stem,                   STRING)       \
    X("model.size",                 model.size,                   U32)          \
    X("model.channels",             model.channels,               U32)          \
    X("model.zero_init_residual",   model.zero_init_residual,     BOOL)         \
    X("model.dropout",              model.dropout,                F32)          \
    X("model.norm_momentum",        model.norm_momentum,          F32)          \
    X("optimizer.name",             optimizer.name,               STRING)       \
    X("optimizer.lr",               optimizer.lr,                 F32)          \
    X("optimizer.momentum",         optimizer.momentum,           F32)          \
    X("optimizer.weight_decay",     optimizer.weight_decay,       F32)          \
    X("optimizer.beta1",            optimizer.beta1,              F32)          \
    X("optimizer.beta2",            optimizer.beta2,              F32)          \
    X("optimizer.eps",              optimizer.eps,                F32)          \
    X("optimizer.eta",              optimizer.eta,                F32)          \
    X("optimizer.nesterov",         optimizer.nesterov,           BOOL)         \
    X("optimizer.decay_norm_bias",  optimizer.decay_norm_bias,    BOOL)         \
    X("optimizer.clip_norm",        optimizer.clip_norm,          F32)          \
    X("optimizer.clip_lr",          optimizer.clip_lr,            BOOL)         \
    X("optimizer.stage_decay",      optimizer.stage_decay,        F32)          \
    X("optimizer.base_batch",       optimizer.base_batch,         U32)          \
    X("schedule.name",              schedule.name,                STRING)       \
    X("schedule.warmup_epochs",     schedule.warmup_epochs,       F32)          \
    X("schedule.min_lr",            schedule.min_lr,              F32)          \
    X("schedule.gamma",             schedule.gamma,               F32)          \
    X("schedule.step_epochs",       schedule.step_epochs,         U32)          \
    X("ssl.projector_hidden",       ssl.projector_hidden,         U32)          \
    X("ssl.projector_out",          ssl.projector_out,            U32)          \
    X("ssl.projector_layers",       ssl.projector_layers,         U32)          \
    X("ssl.predictor_hidden",       ssl.predictor_hidden,         U32)          \
    X("ssl.projector_norm",         ssl.projector_norm,           BOOL)         \
    X("ssl.prototypes",             ssl.prototypes,               U32)          \
    X("ssl.queue",                  ssl.queue,                    U32)          \
    X("ssl.queue_start",            ssl.queue_start,              F32)          \
    X("ssl.frozen_epochs",          ssl.frozen_epochs,            F32)          \
    X("ssl.temperature",            ssl.temperature,              F32)          \
    X("ssl.teacher_temperature",    ssl.teacher_temperature,      F32)          \
    X("ssl.momentum",               ssl.momentum,                 F32)          \
    X("ssl.momentum_end",           ssl.momentum_end,             F32)          \
    X("ssl.center_momentum",        ssl.center_momentum,          F32)          \
    X("ssl.epsilon",                ssl.epsilon,                  F32)          \
    X("ssl.iterations",             ssl.iterations,               U32)          \
    X("ssl.lambda",                 ssl.lambda,                   F32)          \
    X("ssl.scale",                  ssl.scale,                    F32)          \
    X("ssl.invariance",             ssl.invariance,               F32)          \
    X("ssl.variance",               ssl.variance,                 F32)          \
    X("ssl.covariance",             ssl.covariance,               F32)          \
    X("ssl.grad_cache",             ssl.grad_cache,               BOOL)         \
    X("injection.mode",             injection.mode,               STRING)       \
    X("injection.start",            injection.start,              F32)          \
    X("injection.end",              injection.end,                F32)          \
    X("injection.max",              injection.max,                F32)          \
    X("injection.dose",             injection.dose,               F32)          \
    X("injection.label_fraction",   injection.label_fraction,     F32)          \
    X("injection.head_depth",       injection.head_depth,         U32)          \
    X("injection.head_width",       injection.head_width,         U32)          \
    X("injection.head_warmup",      injection.head_warmup,        F32)          \
    X("injection.lr",               injection.lr,                 F32)          \
    X("injection.ssl_weight",       injection.ssl_weight,         F32)          \
    X("injection.freeze",           injection.freeze,             U32)          \
    X("injection.bn",               injection.bn,                 STRING)       \
    X("injection.floor",            injection.floor,              F32)          \
    X("injection.kp",               injection.kp,                 F32)          \
    X("injection.ki",               injection.ki,                 F32)          \
    X("injection.hysteresis",       injection.hysteresis,         F32)          \
    X("monitor.probe",              monitor.probe,                BOOL)         \
    X("monitor.probe_lr",           monitor.probe_lr,             F32)          \
    X("monitor.every",              monitor.every,                U32)          \
    X("monitor.images",             monitor.images,               U32)          \
    X("monitor.knn_every",          monitor.knn_every,            U32)          \
    X("monitor.knn_k",              monitor.knn_k,                U32)          \
    X("monitor.knn_images",         monitor.knn_images,           U32)          \
    X("monitor.knn_temperature",    monitor.knn_temperature,      F32)          \
    X("monitor.score_lambda",       monitor.score_lambda,         F32)          \
    X("loss",                       loss,                         STRING)       \
    X("class_weights",              class_weights,                STRING)       \
    X("label_smoothing",            label_smoothing,              F32)          \
    X("diversity_penalty",          diversity_penalty,            F32)          \
    X("ema",                        ema,                          F32)          \
    X("batch",                      batch,                        U32)          \
    X("accumulate",                 accumulate,                   U32)          \
    X("epochs",                     epochs,                       U32)          \
    X("steps",                      steps,                        U32)          \
    X("eval_every",                 eval_every,                   U32)          \
    X("checkpoint_minutes",         checkpoint_minutes,           U32)          \
    X("keep_every",                 keep_every,                   U32)          \
    X("init",                       init,                         STRING)       \
    X("init_part",                  init_part,                    STRING)       \
    X("precision",                  precision,                    STRING)       \
    X("loss_scale.start",           loss_scale.start,             F32)          \
    X("loss_scale.growth",          loss_scale.growth,            F32)          \
    X("loss_scale.backoff",         loss_scale.backoff,           F32)          \
    X("loss_scale.interval",        loss_scale.interval,          U32)          \
    X("seed",                       seed,                         U64)

enum vkd_recipe_kind {
    VKD_RECIPE_STRING, VKD_RECIPE_U32, VKD_RECIPE_U64, VKD_RECIPE_F32, VKD_RECIPE_F32X2, VKD_RECIPE_F32X3,
    VKD_RECIPE_F32X4, VKD_RECIPE_BOOL,
};

// Numbers in a field of a kind F32...; 0 for other kinds.
static inline uint32_t vkd_recipe_floats(enum vkd_recipe_kind kind)
{
    return kind == VKD_RECIPE_F32 ? 1 : kind == VKD_RECIPE_F32X2 ? 2 : kind == VKD_RECIPE_F32X3 ? 3 :
           kind == VKD_RECIPE_F32X4 ? 4 : 0;
}

struct vkd_recipe_field {
    const char *key;
    enum vkd_recipe_kind kind;
    size_t ofs;                     // in struct vkd_recipe
};

// The fields in the order of the table; NULL past the end. Thread-safety: safe.
const struct vkd_recipe_field *vkd_recipe_field_at(uint32_t index);

VKD_END
#endif
