// mocov2.c -- MoCo v2 (He et al., CVPR 2020; Chen, Fan, Girshick, He 2020), symmetric as solo-learn's mocov2plus.
// Projections of the student are queries, those of the teacher keys; a query has to pick out the key of its image's
// other view among K keys of earlier batches:
//
//   q_v = n(z_v), k_v = n(z'_v)  (N, D);  queue.v (K, D) holds the latest keys of view v
//   l(q, k, queue) = mean of -log( exp(q.k / t) / (exp(q.k / t) + sum_j exp(q.queue_j / t)) )
//   L = 1/2 l(q_1, k_2, queue.1) + 1/2 l(q_2, k_1, queue.0)
//
// Then k_v replaces the oldest N rows of queue.v. Queues start as random directions. Projector: two linear layers with
// biases, ReLU between them. With equal embeddings, once they fill the queues, L = ln(1 + K).
#include "../ssl.h"

#include <math.h>
#include <stdio.h>

static void embed(vkd_graph *g, vkd_tensor *features, const struct vkd__ssl_config *c, bool is_teacher,
                  vkd_tensor *out[VKD__SSL_OUT_MAX])
{
    (void) is_teacher;
    out[0] = vkd__ssl_mlp_plain(g, features, "projector", c->projector_layers, c->projector_hidden, c->projector_out);
}

static vkd_tensor *queue(vkd_graph *g, uint32_t view, uint32_t rows, vkd_tensor *keys)
{
    char name[16];
    snprintf(name, sizeof(name), "queue.%u", view);
    return vkd_param(g, &(struct vkd_param_params) {
        .name = name, .shape = { { 1, 1, rows, vkd_tensor_shape(keys).d[3] } }, .init = VKD_INIT_UNIT_ROWS, .state = true,
    });
}

static vkd_tensor *direction(vkd_graph *g, vkd_tensor *query, vkd_tensor *key, vkd_tensor *earlier, float temperature)
{
    vkd_tensor *q = vkd_scale(g, vkd_l2_normalize(g, query, 0), 1 / temperature);       // (N, 1, 1, D)
    vkd_tensor *others = vkd_matmul(g, q, earlier, &(struct vkd_attr) { .trans_b = 1 });// (N, 1, 1, K)
    vkd_tensor *own = vkd_sum(g, vkd_mul(g, q, key), 8);                                // (N, 1, 1, 1)
    uint32_t k = vkd_tensor_shape(others).d[3];
    // The key's column comes last, where it shifts nothing.
    vkd_tensor *logits = vkd_concat(g, (vkd_tensor *[]) { others, own }, 2);            // (N, 1, 1, K + 1)
    return vkd_cross_entropy(g, logits, vkd_row_index(g, own, k, k + 1), 0);
}

static vkd_tensor *loss(vkd_graph *g, const struct vkd__ssl_inputs *in, const struct vkd__ssl_config *c)
{
    vkd_tensor *keys[2], *queues[2], *terms[2];
    if (!c->queue || c->queue % in->batch)
        return vkd_graph_fail(g, "mocov2: a queue must be a multiple of the batch, found a queue of %u and a batch of %u: "
                              "set ssl.queue", c->queue, in->batch);
    for (uint32_t v = 0; v < 2; v++) {
        keys[v] = vkd_l2_normalize(g, in->teacher[v][0], 0);
        queues[v] = queue(g, v, c->queue, keys[v]);
    }
    for (uint32_t v = 0; v < 2; v++) {
        terms[v] = direction(g, in->student[v][0], keys[1 - v], queues[1 - v], c->temperature);
        vkd_queue_push(g, queues[v], keys[v]);
    }
    return vkd_scale(g, vkd_add(g, terms[0], terms[1]), 0.5f);
}

static double collapsed(const struct vkd__ssl_config *c, uint32_t batch)
{
    (void) batch;
    return log(1.0 + c->queue);
}

const struct vkd__ssl_method vkd_ssl_mocov2 = {
    .name = "mocov2",
    .config = { .projector_hidden = 2048, .projector_out = 256, .projector_layers = 2, .queue = 32768,
                .temperature = 0.2f, .momentum = 0.99f, .momentum_end = 0.999f },
    .teacher = true,
    .queue = true,
    .batch_min = 1,
    .embed = embed,
    .loss = loss,
    .collapsed = collapsed,
};
