// simsiam.c -- SimSiam (Chen and He, CVPR 2021): a predictor and a stopped gradient, no teacher, no negatives.
//
//   p_v = n(predictor(z_v)), k_v = n(z_v) without gradient  (N, D)
//   L = mean over images of -1/2 [ cos(p_1, k_2) + cos(p_2, k_1) ]
//
// Projector: `projector_layers` linear layers with batch norms, ReLU between them, the last norm without scale and
// shift. Predictor: a bottleneck of two linear layers, batch norm and ReLU between them, a bias at the end; it keeps
// its first learning rate. Collapse has no value of its own: the loss is -1 then and wherever views agree.
#include "../ssl.h"

#include <math.h>

enum { PROJECTION, PREDICTION };

static void embed(vkd_graph *g, vkd_tensor *features, const struct vkd__ssl_config *c, bool is_teacher,
                  vkd_tensor *out[VKD__SSL_OUT_MAX])
{
    (void) is_teacher;
    out[PROJECTION] = vkd__ssl_mlp(g, features, "projector", c->projector_layers, c->projector_hidden, c->projector_out,
                                   VKD__SSL_LAST_NORM_FIXED);
    out[PREDICTION] = vkd__ssl_mlp(g, out[PROJECTION], "predictor", 2, c->predictor_hidden, c->projector_out,
                                   VKD__SSL_LAST_BIAS);
}

// Sum over images of cos(p, k).
static vkd_tensor *direction(vkd_graph *g, vkd_tensor *prediction, vkd_tensor *target)
{
    vkd_tensor *p = vkd_l2_normalize(g, prediction, 0), *k = vkd_l2_normalize(g, vkd_detach(g, target), 0);
    return vkd_sum(g, vkd_mul(g, p, k), 15);
}

static vkd_tensor *loss(vkd_graph *g, const struct vkd__ssl_inputs *in, const struct vkd__ssl_config *c)
{
    (void) c;
    vkd_tensor *a = direction(g, in->student[0][PREDICTION], in->student[1][PROJECTION]);
    vkd_tensor *b = direction(g, in->student[1][PREDICTION], in->student[0][PROJECTION]);
    return vkd_scale(g, vkd_add(g, a, b), -0.5f / (float) in->batch);
}

static double collapsed(const struct vkd__ssl_config *c, uint32_t batch)
{
    (void) c;
    (void) batch;
    return NAN;
}

const struct vkd__ssl_method vkd_ssl_simsiam = {
    .name = "simsiam",
    .config = { .projector_hidden = 2048, .projector_out = 2048, .projector_layers = 3, .predictor_hidden = 512 },
    .batch_min = 2,
    .embed = embed,
    .loss = loss,
    .collapsed = collapsed,
    .constant_lr = "predictor",
};
