// optimizer.h -- updating parameters on the device: optimisers, clipping, accumulation, averaging.
//
// A step of a recorded training is: for each micro-batch the program's segments and then what
// vkd_optimizer_record_micro records; after the last one what vkd_optimizer_record records. What
// changes per step comes from the step block alone.
#ifndef VKDIV_OPTIMIZER_H
#define VKDIV_OPTIMIZER_H

#include <vkdiv/program.h>

VKD_BEGIN

struct vkd_step_block;      // shaders/step_block.h
struct vkd_metrics_block;   // shaders/metrics_block.h

typedef struct vkd_optimizer vkd_optimizer;

// Other learning rates and factors for the parameters whose name begins with `prefix`; the last match
// wins. A rate of 0 in the step block, unlike a factor of 0, holds for one step: the parameters and
// their states stay as they are, their gradients are not read, which may be stale or NaN, and take no
// part in the norm; what follows is as if the step had not been (PyTorch with grad None).
struct vkd_optimizer_group {
    const char *prefix;
    float lr;           // times the learning rate; 0 freezes: no update, no part in the gradient norm
    float decay;        // times the weight decay
    uint32_t schedule;  // which of vkd_step_block.group_lr; below VKD_LR_GROUPS
};

// The loss scale, for gradients stored in f16: programs must be given vkd_optimizer_loss_scale. When gradients are not
// finite though the loss is, the step changes nothing and the scale is multiplied by `backoff`, down to 1.
struct vkd_loss_scale_config {
    double start;                   // 1 to 2^24; 0: none, the gradient of the loss is 1
    double growth, backoff;         // at least 1; above 0 and below 1
    uint32_t interval;              // good steps in a row until the scale is multiplied by `growth`, at least 1
};

// Fields that an optimiser does not read are ignored. Begin with vkd_optimizer_defaults.
struct vkd_optimizer_config {
    const char *name;               // "sgd", "lars", "adam", "adamw", "lamb"
    double momentum;                // sgd, lars: in [0, 1)
    bool nesterov;                  // sgd, lars
    double weight_decay;
    bool decay_norm_bias;           // weight decay also on norms and biases (what PyTorch does unless told otherwise)
    double beta1, beta2;            // adam, adamw, lamb: in [0, 1)
    double eps;                     // all but sgd: > 0
    double eta;                     // lars: trust coefficient
    bool clip_lr;                   // lars: never a longer step than sgd's
    double clip_norm;               // of the global gradient norm; 0: none. Groups named by vkd_step_block.beside (a probe
                                    // on detached features) have no part in it, are not clipped, and stay as they are
                                    // when their own gradients are not finite: others do not notice them
    uint32_t accumulation;          // micro-batches per step; 0 and 1: no accumulation
    double ema_decay;               // of the averaged weights; 0: none
    struct vkd_loss_scale_config loss_scale;
    const struct vkd_optimizer_group *groups; // borrowed for the call
    uint32_t group_count;
};

// The name of optimiser `index`, in order; NULL past the end. Thread-safety: safe.
const char *vkd_optimizer_name(uint32_t index);

// Fills *config with what optimiser `name` usually takes: PyTorch's defaults for sgd (momentum
// 0.9), adam and adamw; for lars and lamb see engine/optimizers/.
//
//   VKD_INVALID  no such optimiser; *config is unchanged
//
// Thread-safety: safe.
VKD_CHECKED vkd_result vkd_optimizer_defaults(const char *name, struct vkd_optimizer_config *config);

// Makes an optimiser of the trainable values of `params`, which must have gradients and outlive
// it. Allocates all its states and makes all its kernels; ends with vkd_optimizer_reset.
//
//   VKD_INVALID      a field of *config is wrong (the log says which, what was expected and found)
//   VKD_UNSUPPORTED  more than 2^30 trainable elements
//   VKD_NO_MEMORY, VKD_DEVICE_LOST
//
// Thread-safety: that of the device, as for everything below.
VKD_CHECKED vkd_result vkd_optimizer_create(vkd_device *dev, vkd_params *params,
                                            const struct vkd_optimizer_config *config, vkd_optimizer **out);
void vkd_optimizer_destroy(vkd_optimizer **opt);    // NULL is fine

// States and metrics to zero, averaged weights to the present values. To be called after values
// were changed by other hands (vkd_params_init, a checkpoint's weights).
VKD_CHECKED vkd_result vkd_optimizer_reset(vkd_optimizer *opt);

// Appends what follows each micro-batch's backward pass: its share of the step's loss (`loss`: a
// scalar's range, or NULL for none) and of the accumulated gradients. `step` is the step block;
// it needs vkd_step_block.micro. Errors stick to `cmds`.
void vkd_optimizer_record_micro(vkd_optimizer *opt, vkd_commands *cmds, struct vkd_range step,
                                const struct vkd_range *loss);

// Appends the step itself: global gradient norm, clipping, update, averaging. When loss or norm
// is not finite, nothing but the metrics and the loss scale changes. Errors stick to `cmds`.
void vkd_optimizer_record(vkd_optimizer *opt, vkd_commands *cmds, struct vkd_range step);

// Fills what the optimiser reads from the step block, for the step after `step` done ones: step,
// lr and all of group_lr (`lr`: overwrite those of other groups afterwards), momentum, weight_decay,
// grad_keep (from block->micro), grad_scale, clip_norm, ema_decay. Other fields are left alone.
void vkd_optimizer_step_values(const vkd_optimizer *opt, uint32_t step, double lr, struct vkd_step_block *block);

// The metrics block: a DEVICE range of sizeof(struct vkd_metrics_block).
struct vkd_range vkd_optimizer_metrics(const vkd_optimizer *opt);

// What a checkpoint keeps besides the values: flat ranges in the layout of the trainable values
// ("momentum"; "exp_avg", "exp_avg_sq") or of all values ("ema"), the bias corrections of each group
// ("bias"), and the loss scale's state where it has one ("loss_scale"). There are *count; the array is the
// optimiser's. Resuming needs these, the values and the step number, nothing else.
struct vkd_optimizer_state {
    const char *name;
    struct vkd_range range;
};
const struct vkd_optimizer_state *vkd_optimizer_states(const vkd_optimizer *opt, uint32_t *count);

// The gradient of the loss, for vkd_program_params.loss_scale: struct vkd_loss_scale of shaders/loss_scale.h.
struct vkd_range vkd_optimizer_loss_scale(const vkd_optimizer *opt);

// The averaged weights in the layout of vkd_params_values, running statistics averaged like
// weights (timm's ModelEmaV2); buffer NULL without averaging.
struct vkd_range vkd_optimizer_ema(const vkd_optimizer *opt);

VKD_END
#endif
