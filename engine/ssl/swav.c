// swav.c -- SwAV (Caron et al., NeurIPS 2020): each view predicts how another one is clustered.
//
//   z_v = n(projector)  (N, D),  s_v = z_v P  (N, K);  P (D, K) holds prototypes, columns of length 1
//   q_i = Sinkhorn(s_i / epsilon), without gradient, of the two large views i alone
//   L = mean over i and views v != i of mean over images of -sum_k q_i log softmax(s_v / temperature)
//
// Once the step block's queue_on is 1, the Sinkhorn of view i also shares out the queue's embeddings, scored by the
// prototypes of now; so small batches do not have to fill all prototypes. queue.i (queue, D) then takes z_i. Heads as
// solo-learn's: projector of two linear layers, batch norm and ReLU between them, a bias at the end. Codes of equal
// embeddings are uniform: L is ln K when scores are equal, too.
#include "../ssl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PROTOTYPES "prototypes"

enum { PROJECTION, SCORES };

static void embed(vkd_graph *g, vkd_tensor *features, const struct vkd__ssl_config *c, bool is_teacher,
                  vkd_tensor *out[VKD__SSL_OUT_MAX])
{
    (void) is_teacher;
    out[PROJECTION] = vkd__ssl_mlp(g, features, "projector", c->projector_layers, c->projector_hidden, c->projector_out,
                                   VKD__SSL_LAST_BIAS);
    out[SCORES] = vkd_layer_linear(g, vkd_l2_normalize(g, out[PROJECTION], 0), PROTOTYPES, c->prototypes, false);
}

// Those of embed(), declared as there.
static vkd_tensor *prototypes(vkd_graph *g, uint32_t width, uint32_t count)
{
    return vkd_detach(g, vkd_param(g, &(struct vkd_param_params) {
        .name = PROTOTYPES ".weight", .shape = { { 1, 1, width, count } }, .init = VKD_INIT_LINEAR, .rank = 2 }));
}

// The codes of large view i, which then enters its queue.
static vkd_tensor *codes(vkd_graph *g, const struct vkd__ssl_inputs *in, const struct vkd__ssl_config *c, uint32_t i)
{
    char name[32];
    vkd_tensor *z = vkd_l2_normalize(g, vkd_detach(g, in->student[i][PROJECTION]), 0), *s = in->student[i][SCORES];
    uint32_t width = vkd_tensor_shape(z).d[3];
    if (!c->queue || !z || !s)
        return vkd_sinkhorn(g, s, NULL, c->epsilon, c->iterations);
    snprintf(name, sizeof(name), "queue.%u", i);
    vkd_tensor *queue = vkd_param(g, &(struct vkd_param_params) {
        .name = name, .shape = { { 1, 1, c->queue, width } }, .init = VKD_INIT_UNIT_ROWS, .state = true });
    vkd_tensor *p = prototypes(g, width, vkd_tensor_shape(s).d[3]);
    vkd_tensor *queued = vkd_matmul(g, queue, p, NULL);     // (1, 1, queue, K)
    vkd_tensor *q = vkd_sinkhorn(g, s, queued, c->epsilon, c->iterations);
    vkd_queue_push(g, queue, z);
    return q;
}

static vkd_tensor *loss(vkd_graph *g, const struct vkd__ssl_inputs *in, const struct vkd__ssl_config *c)
{
    vkd_tensor *q[VKD__SSL_VIEWS_MAX];
    if (c->queue % in->batch)
        return vkd_graph_fail(g, "swav: a queue must be a multiple of the batch, found a queue of %u and a batch of "
                              "%u: set ssl.queue", c->queue, in->batch);
    for (uint32_t i = 0; i < in->large; i++)
        q[i] = codes(g, in, c, i);
    return vkd__ssl_swapped(g, in, SCORES, q, c->temperature);
}

static double collapsed(const struct vkd__ssl_config *c, uint32_t batch)
{
    (void) batch;
    return log(c->prototypes);
}

const struct vkd__ssl_method vkd_ssl_swav = {
    .name = "swav",
    .config = { .projector_hidden = 2048, .projector_out = 128, .projector_layers = 2, .prototypes = 3000,
                .queue = 3840, .queue_start = 50, .frozen_epochs = 2, .iterations = 3, .temperature = 0.1f,
                .epsilon = 0.05f },
    .crops = true,
    .queue = true,
    .batch_min = 2,
    .embed = embed,
    .loss = loss,
    .collapsed = collapsed,
    .unit_columns = PROTOTYPES ".weight",
    .frozen_first = PROTOTYPES,
};
