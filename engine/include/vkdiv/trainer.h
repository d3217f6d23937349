// trainer.h -- training steps inside an application's command buffers, a bounded part of one at each call.
//
// A step is the program's forward and backward pass and the optimiser's update. Nothing is submitted and nothing waited
// for: the application records a part of it into each of its frames, and goes on drawing.
#ifndef VKDIV_TRAINER_H
#define VKDIV_TRAINER_H

#include <vkdiv/optimizer.h>

VKD_BEGIN

typedef struct vkd_trainer vkd_trainer;

struct vkd_trainer_params {
    vkd_program *program;           // embedded, with backward; borrowed, as the next
    vkd_optimizer *optimizer;       // of the same vkd_params
    const char *loss;               // the name under which the graph's loss is marked; NULL: "loss"
    struct vkd_edges edges;         // as in vkd_program_params: of the optimiser's part
    uint64_t seed;                  // of dropout
};

// Records the optimiser's part. What it borrows must outlive the trainer.
//
//   VKD_INVALID      the program is not embedded, has no gradients, or no loss of that name
//   VKD_NO_MEMORY, VKD_DEVICE_LOST, VKD_UNSUPPORTED
//
// Thread-safety: that of the device, as for everything below.
VKD_CHECKED vkd_result vkd_trainer_create(vkd_device *dev, const struct vkd_trainer_params *p, vkd_trainer **out);

// Frees *t and sets it to NULL; NULL is fine. Command buffers it was recorded into must have run.
void vkd_trainer_destroy(vkd_trainer **t);

// Appends to the command buffer what comes next of the present step, as much as `budget` (NULL: no limit) allows, at
// learning rate `lr` (that of the first call of a batch counts). *finished (NULL is allowed) tells whether the batch's last
// part is among it: until then images and labels must stay as they are, afterwards the next batch may be written behind it.
// With an optimiser that accumulates, a step takes that many batches. Each command buffer must be submitted once,
// in the order of the calls.
//
//   VKD_INVALID      the command buffer is NULL, or lr is negative or not finite
//   VKD_DEVICE_LOST
VKD_CHECKED vkd_result vkd_trainer_embed(vkd_trainer *t, VkCommandBuffer cb, double lr, const struct vkd_budget *budget,
                                         bool *finished);

struct vkd_trainer_state {
    uint32_t steps;                 // recorded to their end so far
    double   seconds;               // a step on the GPU, as far as it has been measured
    // Of the last step whose command buffers are known to have run, by a fence or a semaphore; while they
    // run, of two steps mixed.
    float    loss, grad_norm;
    uint32_t nonfinite_count;       // steps that changed nothing, because loss or norm was not finite
};
struct vkd_trainer_state vkd_trainer_state(const vkd_trainer *t);

VKD_END
#endif
