// ssl.h -- what a self-supervised method is. Internal to engine/.
//
// A method is constant data: one file engine/ssl/NAME.c defines `const struct vkd__ssl_method
// vkd_ssl_NAME` with its formula, source and shapes on top. The build globs them; there is no list
// to edit. The training loop knows none of them by name.
//
// N images, V views, of which the first `large` are full-size ones. The backbone gives features
// (N, 1, 1, F) per view; the method's heads make embeddings of them, and the loss is a function of
// embeddings alone, without trainable parameters, so that it can be taken over a batch larger than
// what the network sees at once.
#ifndef VKD_SSL_H
#define VKD_SSL_H

#include <vkdiv/layers.h>

enum { VKD__SSL_VIEWS_MAX = 10, VKD__SSL_OUT_MAX = 2 };

// The numbers of a method; each reads its own. See struct vkd_recipe.ssl for their meanings.
struct vkd__ssl_config {
    uint32_t projector_hidden, projector_out, projector_layers, predictor_hidden, prototypes, queue, iterations;
    bool projector_norm;
    float queue_start, frozen_epochs, temperature, teacher_temperature, momentum, momentum_end, center_momentum, epsilon,
          lambda, scale, invariance, variance, covariance;
};

// What a loss is made from. Embedding o of view v is student[v][o] and teacher[v][o]; a method has
// as many as its embed() fills, the others are NULL. [0] is the projection that the collapse monitor
// watches.
struct vkd__ssl_inputs {
    uint32_t batch, views, large;
    vkd_tensor *student[VKD__SSL_VIEWS_MAX][VKD__SSL_OUT_MAX];      // each (N, 1, 1, D)
    vkd_tensor *teacher[VKD__SSL_VIEWS_MAX][VKD__SSL_OUT_MAX];      // of large views; all NULL without a teacher
    vkd_tensor *labels;             // u32 (1, 1, 1, N); NULL unless the method reads labels
};

struct vkd__ssl_method {
    const char *name;
    struct vkd__ssl_config config;  // defaults, those of METHODS for small images
    bool teacher;                   // targets come from an average of the student's weights
    bool labels;                    // the loss reads labels: supervised contrast
    bool crops;                     // takes small views besides the two large ones
    bool queue;                     // keeps embeddings of earlier batches: queue must be a multiple of the batch
    uint32_t batch_min;

    // Heads on one view's features, as layers called "projector.0", "predictor.0", "prototypes", ... (the caller
    // has opened a scope that shares them between views and sets a teacher's apart). `is_teacher` leaves out what
    // only a student has.
    void (*embed)(vkd_graph *g, vkd_tensor *features, const struct vkd__ssl_config *c, bool is_teacher,
                  vkd_tensor *out[VKD__SSL_OUT_MAX]);

    // The loss, (1, 1, 1, 1): no trainable parameter but behind vkd_detach. States (queue, centre) are parameters
    // with `state` set, updated by operations that are `late` (op.h), so that the backward pass still sees the old ones.
    // The caller has opened the student's scope again, shared: a head's parameter, asked for once more by vkd_param, is
    // the same tensor (and in a graph of the loss alone the same parameter).
    vkd_tensor *(*loss)(vkd_graph *g, const struct vkd__ssl_inputs *in, const struct vkd__ssl_config *c);

    // The loss of a collapsed network, for an alarm; NAN when it has no such value.
    double (*collapsed)(const struct vkd__ssl_config *c, uint32_t batch);

    // Names as embed() gives them; before them stands whatever the caller's scope adds.
    const char *unit_columns;       // this parameter's columns have length 1 after each step; NULL: none
    const char *constant_lr;        // parameters with this prefix keep the start's learning rate; NULL: none
    const char *frozen_first;       // parameters with this prefix stay as they are for config.frozen_epochs; NULL: none
};

// The method called `name`, or NULL; by index, NULL past the end.
const struct vkd__ssl_method *vkd__ssl_find(const char *name);
const struct vkd__ssl_method *vkd__ssl_at(uint32_t index);

// ---- What methods build their heads from ----

enum vkd__ssl_last { VKD__SSL_LAST_PLAIN, VKD__SSL_LAST_BIAS, VKD__SSL_LAST_NORM, VKD__SSL_LAST_NORM_FIXED };

// `layers` linear layers with batch norm and ReLU between them: hidden wide, the last `out` wide and then as
// `last` says (nothing, a bias, batch norm, batch norm without scale and shift). Linear layers before a norm have
// no bias. Layer i is NAME.i, its norm NAME.i_norm.
vkd_tensor *vkd__ssl_mlp(vkd_graph *g, vkd_tensor *x, const char *name, uint32_t layers, uint32_t hidden, uint32_t out,
                         enum vkd__ssl_last last);

// The same without any norm: linear layers with biases, ReLU between them.
vkd_tensor *vkd__ssl_mlp_plain(vkd_graph *g, vkd_tensor *x, const char *name, uint32_t layers, uint32_t hidden,
                               uint32_t out);

// ---- What contrastive losses are built from ----

// The normalised projections of all V views one after the other, compared with each other and divided by the
// temperature: (V N, 1, 1, V N).
vkd_tensor *vkd__ssl_similarities(vkd_graph *g, const struct vkd__ssl_inputs *in, float temperature);

// ---- What clustering losses are built from ----

// Mean over all pairs of a large view i and another view v, large or small, of the cross entropy of codes[i]
// (N, 1, 1, K) against softmax(student[v][out] / temperature).
vkd_tensor *vkd__ssl_swapped(vkd_graph *g, const struct vkd__ssl_inputs *in, uint32_t out, vkd_tensor *const *codes,
                             float temperature);

// ---- Watching a run ----

// How much the directions of embeddings z (N, 1, 1, D) differ, (1, 1, 1, 1): the mean over columns of the standard
// deviation of n(z). About 1 / sqrt(D) when healthy, 0 when collapsed. No gradient.
vkd_tensor *vkd__ssl_spread(vkd_graph *g, vkd_tensor *z);

#endif
