// mocov3.c -- MoCo v3 (Chen, Xie, He, ICCV 2021): no queue, the other keys of the batch are the negatives, and only
// the student has a predictor.
//
//   q_v = n(predictor(z_v)), k_v = n(z'_v)  (N, D)
//   l(q, k) = 2 t * mean over i of -log( exp(q_i.k_i / t) / sum_j exp(q_i.k_j / t) )
//   L = l(q_1, k_2) + l(q_2, k_1)
//
// Heads as solo-learn's for ResNets, linear layers without biases: projector of two with batch norm and ReLU between
// and a batch norm without scale and shift at the end, predictor the same without the last norm. (moco-v3's
// builder.py has that norm, too.) With equal embeddings L = 4 t ln N.
#include "../ssl.h"

#include <math.h>

enum { PROJECTION, PREDICTION };

static void embed(vkd_graph *g, vkd_tensor *features, const struct vkd__ssl_config *c, bool is_teacher,
                  vkd_tensor *out[VKD__SSL_OUT_MAX])
{
    out[PROJECTION] = vkd__ssl_mlp(g, features, "projector", c->projector_layers, c->projector_hidden, c->projector_out,
                                   VKD__SSL_LAST_NORM_FIXED);
    if (!is_teacher)
        out[PREDICTION] = vkd__ssl_mlp(g, out[PROJECTION], "predictor", 2, c->predictor_hidden, c->projector_out,
                                       VKD__SSL_LAST_PLAIN);
}

static vkd_tensor *direction(vkd_graph *g, vkd_tensor *prediction, vkd_tensor *target, float temperature)
{
    vkd_tensor *q = vkd_scale(g, vkd_l2_normalize(g, prediction, 0), 1 / temperature);
    vkd_tensor *k = vkd_l2_normalize(g, target, 0);
    vkd_tensor *s = vkd_matmul(g, q, k, &(struct vkd_attr) { .trans_b = 1 });       // (N, 1, 1, N)
    return vkd_cross_entropy(g, s, vkd_row_index(g, s, 0, 0), 0);
}

static vkd_tensor *loss(vkd_graph *g, const struct vkd__ssl_inputs *in, const struct vkd__ssl_config *c)
{
    vkd_tensor *a = direction(g, in->student[0][PREDICTION], in->teacher[1][PROJECTION], c->temperature);
    vkd_tensor *b = direction(g, in->student[1][PREDICTION], in->teacher[0][PROJECTION], c->temperature);
    return vkd_scale(g, vkd_add(g, a, b), 2 * c->temperature);
}

static double collapsed(const struct vkd__ssl_config *c, uint32_t batch)
{
    return 4 * (double) c->temperature * log(batch);
}

const struct vkd__ssl_method vkd_ssl_mocov3 = {
    .name = "mocov3",
    .config = { .projector_hidden = 4096, .projector_out = 256, .projector_layers = 2, .predictor_hidden = 4096,
                .temperature = 0.2f, .momentum = 0.99f, .momentum_end = 1 },
    .teacher = true,
    .batch_min = 2,
    .embed = embed,
    .loss = loss,
    .collapsed = collapsed,
};
