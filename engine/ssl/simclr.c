// simclr.c -- SimCLR (Chen, Kornblith, Norouzi, Hinton, ICML 2020). The 2N projections of both views are compared
// with each other; each has to pick out the other view of its image:
//
//   z (2N, D) = [n(z1); n(z2)],  s = z z^T / t  (2N, 2N)
//   L = mean over i of -log( exp(s_ij) / sum_{k != i} exp(s_ik) ),  j the other view of i's image     (NT-Xent)
//
// Projector: two linear layers with biases, ReLU between them, as solo-learn has them (the paper's code adds batch
// norms). With equal embeddings L = ln(2N - 1).
#include "../ssl.h"

#include <math.h>

static void embed(vkd_graph *g, vkd_tensor *features, const struct vkd__ssl_config *c, bool is_teacher,
                  vkd_tensor *out[VKD__SSL_OUT_MAX])
{
    (void) is_teacher;
    out[0] = vkd__ssl_mlp_plain(g, features, "projector", c->projector_layers, c->projector_hidden, c->projector_out);
}

static vkd_tensor *loss(vkd_graph *g, const struct vkd__ssl_inputs *in, const struct vkd__ssl_config *c)
{
    vkd_tensor *s = vkd__ssl_similarities(g, in, c->temperature);   // (2N, 1, 1, 2N)
    return vkd_contrast(g, s, vkd_row_index(g, s, 0, in->batch));
}

static double collapsed(const struct vkd__ssl_config *c, uint32_t batch)
{
    (void) c;
    return log(2.0 * batch - 1);
}

const struct vkd__ssl_method vkd_ssl_simclr = {
    .name = "simclr",
    .config = { .projector_hidden = 2048, .projector_out = 256, .projector_layers = 2, .temperature = 0.2f },
    .batch_min = 2,
    .embed = embed,
    .loss = loss,
    .collapsed = collapsed,
};
