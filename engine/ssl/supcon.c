// supcon.c -- supervised contrastive learning (Khosla et al., NeurIPS 2020), the loss L_out. As SimCLR, but a
// projection has to pick out all others of its class, P(i), of either view:
//
//   z (2N, D) = [n(z1); n(z2)],  s = z z^T / t  (2N, 2N),  classes (2N) = [labels; labels]
//   L = scale * mean over i of 1 / |P(i)| sum_{p in P(i)} -log( exp(s_ip) / sum_{k != i} exp(s_ik) )
//
// An image without a label is no anchor and nobody's positive; it stays in the denominators. `scale` is the paper's
// t / t0: SupContrast has t0 = 0.07; 1 is what solo-learn's learning rate, ours, is for. With equal embeddings
// L = scale * ln(2N - 1).
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
    vkd_tensor *labels[VKD__SSL_VIEWS_MAX];
    for (uint32_t v = 0; v < in->views; v++)
        labels[v] = in->labels;
    vkd_tensor *s = vkd__ssl_similarities(g, in, c->temperature);   // (2N, 1, 1, 2N)
    return vkd_scale(g, vkd_contrast(g, s, vkd_concat(g, labels, in->views)), c->scale);
}

static double collapsed(const struct vkd__ssl_config *c, uint32_t batch)
{
    return (double) c->scale * log(2.0 * batch - 1);
}

const struct vkd__ssl_method vkd_ssl_supcon = {
    .name = "supcon",
    .config = { .projector_hidden = 2048, .projector_out = 256, .projector_layers = 2, .temperature = 0.2f, .scale = 1 },
    .labels = true,
    .batch_min = 2,
    .embed = embed,
    .loss = loss,
    .collapsed = collapsed,
};
