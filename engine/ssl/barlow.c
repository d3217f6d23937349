// barlow.c -- Barlow Twins (Zbontar et al., ICML 2021): the correlations between the columns of both views' embeddings
// shall be the identity.
//
//   y_v (N, D) = (z_v - mean) / sqrt(var + 1e-5), over the batch, var by N
//   c (D, D) = y_1^T y_2 / N
//   L = scale * ( sum_i (c_ii - 1)^2 + lambda sum_{i != j} c_ij^2 )
//
// The off-diagonal of N random embeddings is not 0 but about lambda D (D - 1) / N. Projector: `projector_layers` linear
// layers, batch norm and ReLU between them, none after the last. With equal embeddings c is 0 and L = scale * D.
#include "../ssl.h"

static void embed(vkd_graph *g, vkd_tensor *features, const struct vkd__ssl_config *c, bool is_teacher,
                  vkd_tensor *out[VKD__SSL_OUT_MAX])
{
    (void) is_teacher;
    out[0] = vkd__ssl_mlp(g, features, "projector", c->projector_layers, c->projector_hidden, c->projector_out,
                          VKD__SSL_LAST_PLAIN);
}

static vkd_tensor *loss(vkd_graph *g, const struct vkd__ssl_inputs *in, const struct vkd__ssl_config *c)
{
    vkd_tensor *a = vkd_layer_batch_norm_fixed(g, in->student[0][0], "correlation.0");      // (N, 1, 1, D)
    vkd_tensor *b = vkd_layer_batch_norm_fixed(g, in->student[1][0], "correlation.1");
    vkd_tensor *matrix = vkd_matmul(g, vkd_scale(g, a, 1 / (float) in->batch), b,
                                    &(struct vkd_attr) { .trans_a = 1 });                   // (1, 1, D, D)
    float width = (float) vkd_tensor_shape(matrix).d[3], on = c->scale * width * width;
    return vkd_identity_mse(g, matrix, on, on * c->lambda);
}

static double collapsed(const struct vkd__ssl_config *c, uint32_t batch)
{
    (void) batch;
    return (double) c->scale * c->projector_out;
}

const struct vkd__ssl_method vkd_ssl_barlow = {
    .name = "barlow",
    .config = { .projector_hidden = 2048, .projector_out = 2048, .projector_layers = 3, .lambda = 0.0051f,
                .scale = 0.1f },
    .batch_min = 2,
    .embed = embed,
    .loss = loss,
    .collapsed = collapsed,
};
