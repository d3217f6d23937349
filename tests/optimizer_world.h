// optimizer_world.h -- flat buffers, gradients and one recorded optimiser step, for test_optimizers.c.
#ifndef OPTIMIZER_WORLD_H
#define OPTIMIZER_WORLD_H

#include "engine/optimizer.h"
#include "metrics_block.h"
#include "step_block.h"

enum { WORLD_MAX = 12 };

struct world_tensor {
    const char *name;
    uint32_t count;         // unpadded elements
    uint32_t rank;
    bool no_decay, state;   // states stand last
};

struct world {
    vkd_device *dev;
    struct vkd_caps caps;
    struct vkd_param_info infos[WORLD_MAX];
    uint32_t tensor_count;
    uint64_t trainable, total;      // elements, gaps between tensors included
    vkd_buffer *values, *gradients, *step, *loss;
    vkd_optimizer *opt;
    vkd_commands *micro, *update;
    uint32_t done;
    const double *rates;            // learning rates of the groups; NULL: all as the step says
    uint32_t beside;                // groups without a part in the norm: bit i is group i
};

// Lays the tensors out as vkd_params does and makes the optimiser. Check's assertions stand inside.
void world_open(struct world *w, vkd_device *dev, const struct world_tensor *tensors, uint32_t count);
void world_start(struct world *w, const struct vkd_optimizer_config *config);   // records, too
void world_stop(struct world *w);       // keeps values
void world_close(struct world *w);

void world_write(struct world *w, vkd_buffer *buf, const float *data, uint64_t count);
void world_read(struct world *w, vkd_buffer *buf, float *data, uint64_t count);

// One micro-batch, and the update after the last one.
void world_micro(struct world *w, uint32_t micro, const float *gradients, float loss);
struct vkd_metrics_block world_update(struct world *w, double lr);

// All bytes that a step may change: values and states, one after the other.
uint64_t world_snapshot(struct world *w, float *data, uint64_t capacity);

// The same values in double, advanced by the optimisers' references.
struct mirror {
    double *p, *state[2], *start;
    uint64_t t[WORLD_MAX];          // steps that changed each tensor
};
void mirror_open(struct mirror *m, const float *values, uint64_t count);
void mirror_close(struct mirror *m);
// One step with gradients `g`; returns their norm.
double mirror_step(struct mirror *m, const struct world *w, const struct vkd_optimizer_config *c, double lr,
                   const float *g);

#endif
