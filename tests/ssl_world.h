// ssl_world.h -- a self-supervised loss on given embeddings: graph, program, states, steps. For tests/test_ssl_*.c.
//
// Embeddings enter by vkd_input_grad, so that a loss runs as in training: method->loss in a graph, a program with a
// backward pass, late updates of its states. Check's assertions stand inside. Values are (N, D) without padding.
#ifndef SSL_WORLD_H
#define SSL_WORLD_H

#include "engine/safetensors.h"
#include "engine/ssl.h"
#include "step_block.h"

#include <vkdiv/program.h>

struct ssl_world_params {
    const char *method;
    const struct vkd__ssl_config *config;   // NULL: the method's
    uint32_t batch, views, large;
    uint32_t student[VKD__SSL_OUT_MAX];     // D of each embedding; 0: there is none
    uint32_t teacher[VKD__SSL_OUT_MAX];
};

struct ssl_world {
    struct ssl_world_params p;
    const struct vkd__ssl_method *method;
    struct vkd__ssl_config config;
    vkd_device *dev;
    vkd_graph *g;
    vkd_params *params;
    vkd_program *program;
};

// Builds and compiles; states start by their vkd_init under seed 1.
void ssl_world_open(struct ssl_world *w, vkd_device *dev, const struct ssl_world_params *p);
void ssl_world_close(struct ssl_world *w);

// The text of the graph's error when the method refuses `p`, into `text`; "" when it does not.
void ssl_world_refusal(const struct ssl_world_params *p, char *text, size_t size);

void ssl_world_student(struct ssl_world *w, uint32_t view, uint32_t out, const float *values);
void ssl_world_teacher(struct ssl_world *w, uint32_t view, uint32_t out, const float *values);
void ssl_world_labels(struct ssl_world *w, const uint32_t *labels);     // N

// One step: loss, gradients, then the updates of states. NULL: all zeros but image_count.
double ssl_world_step(struct ssl_world *w, const struct vkd_step_block *step);
void ssl_world_grad(struct ssl_world *w, uint32_t view, uint32_t out, float *values);

// A state, rows x columns of its shape.
void ssl_world_read_state(struct ssl_world *w, const char *name, float *values);
void ssl_world_write_state(struct ssl_world *w, const char *name, const float *values);

// Runs a case that tests/golden/ssl_cases.py recorded: all its steps, comparing losses, gradients of embeddings and
// states within `tolerance` of golden_distance (losses: relative). Returns the largest distance.
double ssl_world_golden(vkd_device *dev, const vkd__st_file *file, const char *name, double tolerance);

// Every case of the file, which must have at least `least`.
void ssl_world_golden_all(vkd_device *dev, const vkd__st_file *file, uint32_t least, double tolerance);

// Builds the method's heads on features (batch, 1, 1, width) of each view, student and teacher as training does, and
// runs one step from the start values: the loss is finite, a gradient reaches every trainable parameter and
// every view's features. `names` are the parameters expected, in order, ended by NULL (NULL: any).
void ssl_world_heads(vkd_device *dev, const struct ssl_world_params *p, uint32_t width, const char *const *names);

#endif
