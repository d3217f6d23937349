// vicreg.c -- VICReg (Bardes, Ponce, LeCun, ICLR 2022): views agree, columns keep a deviation of 1, and vary apart.
//
//   C(z) (D, D) = 1 / (N - 1) sum_n (z_n - mean)(z_n - mean)^T                           of each view
//   V(z) = mean over columns of max(0, 1 - sqrt(C_ii + 1e-4)),  K(z) = 1 / D sum_{i != j} C_ij^2
//   L = invariance * mean over all elements of (z_1 - z_2)^2 + variance * (V(z_1) + V(z_2)) / 2
//       + covariance * (K(z_1) + K(z_2))
//
// As the authors' main_vicreg.py; solo-learn's variance term is twice this one. Projector: `projector_layers` linear
// layers, batch norm and ReLU between them, none after the last. With equal embeddings L = 0.99 * variance.
#include "../ssl.h"

static void embed(vkd_graph *g, vkd_tensor *features, const struct vkd__ssl_config *c, bool is_teacher,
                  vkd_tensor *out[VKD__SSL_OUT_MAX])
{
    (void) is_teacher;
    out[0] = vkd__ssl_mlp(g, features, "projector", c->projector_layers, c->projector_hidden, c->projector_out,
                          VKD__SSL_LAST_PLAIN);
}

// variance / 2 * V(z) + covariance * K(z).
static vkd_tensor *branch(vkd_graph *g, vkd_tensor *z, const struct vkd__ssl_config *c)
{
    struct vkd_shape s = vkd_tensor_shape(z);
    float inverse = 1 / ((float) s.d[0] - 1), width = (float) s.d[3];
    vkd_tensor *centred = vkd_center_columns(g, z), *scaled = vkd_scale(g, centred, inverse);   // (N, 1, 1, D)
    vkd_tensor *variances = vkd_sum(g, vkd_mul(g, scaled, centred), 7);                         // (1, 1, 1, D)
    vkd_tensor *matrix = vkd_matmul(g, scaled, centred, &(struct vkd_attr) { .trans_a = 1 });   // (1, 1, D, D)
    return vkd_add(g, vkd_scale(g, vkd_variance_hinge(g, variances, 1e-4f), c->variance / 2),
                   vkd_identity_mse(g, matrix, 0, c->covariance * width));
}

static vkd_tensor *loss(vkd_graph *g, const struct vkd__ssl_inputs *in, const struct vkd__ssl_config *c)
{
    vkd_tensor *a = in->student[0][0], *b = in->student[1][0];
    return vkd_add(g, vkd_scale(g, vkd_mse(g, a, b), c->invariance), vkd_add(g, branch(g, a, c), branch(g, b, c)));
}

static double collapsed(const struct vkd__ssl_config *c, uint32_t batch)
{
    (void) batch;
    return 0.99 * (double) c->variance;
}

const struct vkd__ssl_method vkd_ssl_vicreg = {
    .name = "vicreg",
    .config = { .projector_hidden = 2048, .projector_out = 2048, .projector_layers = 3, .invariance = 25,
                .variance = 25, .covariance = 1 },
    .batch_min = 2,
    .embed = embed,
    .loss = loss,
    .collapsed = collapsed,
};
