// optimizer.h -- what an optimiser is. Internal to engine/ and to tests.
//
// An optimiser is constant data: engine/optimizers/NAME.c defines `const struct
// vkd_optimizer_rule vkd_optimizer_NAME`, its kernels are shaders/optim_NAME.comp. The build
// collects them.
#ifndef VKD_OPTIMIZER_H
#define VKD_OPTIMIZER_H

#include <vkdiv/optimizer.h>

enum vkd__norms {
    VKD__NORMS_NONE,
    VKD__NORMS_GRADIENT,    // kernel[0] binds |g|, |p| of each tensor
    VKD__NORMS_UPDATE,      // kernel[0] writes sums, kernel[1] binds |u|, |p| of each tensor
};

// One tensor's update in double; `g` is already scaled and clipped.
struct vkd__optimizer_ref {
    const struct vkd_optimizer_config *config;
    uint64_t t;                 // steps, this one included
    double lr, weight_decay;    // with the tensor's factors
    bool adapt;
    uint64_t count;
    double *p, *state[2];
    const double *g;
};

struct vkd_optimizer_rule {
    const char *name;
    const char *states[2];              // names of the state buffers, NULL for none
    const char *kernel[2];              // bindings: see optimizer_record.c
    enum vkd__norms norms;
    struct vkd_optimizer_config defaults;
    void (*ref)(const struct vkd__optimizer_ref *r);
};

const struct vkd_optimizer_rule *vkd__optimizer_find(const char *name);     // NULL if absent

// sum x^2, square-rooted.
double vkd__norm_ref(const double *x, uint64_t count);

// What an optimiser works on: flat ranges (byte offsets multiples of caps->storage_align) and the
// parameters in them; the ones with `state` set are skipped.
struct vkd__optimizer_target {
    vkd_device *dev;
    const struct vkd_caps *caps;
    struct vkd_range values, trainable, gradients;
    const struct vkd_param_info *params;
    uint32_t param_count;
};

// vkd_optimizer_create on something else than a vkd_params.
VKD_CHECKED vkd_result vkd__optimizer_create_on(const struct vkd__optimizer_target *target,
                                                const struct vkd_optimizer_config *config, vkd_optimizer **out);

// ---- The object: filled by optimizer.c, recorded by optimizer_record.c ----

// A part of the flat buffers that one binding can hold.
struct vkd__window {
    uint32_t quad, quad_count;      // from an aligned start
    uint32_t chunk, chunk_count;    // 0 in windows of plain flat kernels
};

struct vkd__windows {
    struct vkd__window *data;       // malloc'd
    uint32_t count;
};

struct vkd_optimizer {
    vkd_device *dev;
    const struct vkd_optimizer_rule *rule;
    struct vkd_optimizer_config config;
    struct vkd_range values, trainable, gradients;
    uint32_t chunk_count, tensor_count;
    struct vkd__windows chunked;    // of the trainable tensors
    struct vkd__windows flat;       // of all trainable bytes: accumulation
    struct vkd__windows all;        // of all values: EMA
    vkd_buffer *chunks, *tensors, *partials, *norms, *metrics, *loss_scale;
    vkd_buffer *state[2], *accumulated, *ema;
    vkd_kernel *micro_loss, *accumulate, *chunk_norms, *tensor_norms, *grad_norm, *update[2], *average;
    struct vkd_optimizer_state states[5];
    uint32_t state_count;
};

#endif
