// byol.c -- BYOL (Grill et al., NeurIPS 2020): the student predicts the teacher's projection of the other view.
//
//   p_v = n(predictor(z_v)), k_v = n(z'_v)  (N, D)
//   L = mean over images of |p_1 - k_2|^2 + |p_2 - k_1|^2 = 4 - 2 cos(p_1, k_2) - 2 cos(p_2, k_1)
//
// Summed over both directions, as solo-learn and the paper have it. Heads as solo-learn's: projector and predictor of
// two linear layers with batch norm and ReLU between them, the last with a bias. Collapse has no value of its own: the
// loss is 0 then and wherever student and teacher agree.
#include "../ssl.h"

#include <math.h>

enum { PROJECTION, PREDICTION };

static void embed(vkd_graph *g, vkd_tensor *features, const struct vkd__ssl_config *c, bool is_teacher,
                  vkd_tensor *out[VKD__SSL_OUT_MAX])
{
    out[PROJECTION] = vkd__ssl_mlp(g, features, "projector", c->projector_layers, c->projector_hidden, c->projector_out,
                                   VKD__SSL_LAST_BIAS);
    if (!is_teacher)
        out[PREDICTION] = vkd__ssl_mlp(g, out[PROJECTION], "predictor", 2, c->predictor_hidden, c->projector_out,
                                       VKD__SSL_LAST_BIAS);
}

// Mean over images of |n(p) - n(k)|^2.
static vkd_tensor *direction(vkd_graph *g, vkd_tensor *prediction, vkd_tensor *target)
{
    vkd_tensor *mean = vkd_mse(g, vkd_l2_normalize(g, prediction, 0), vkd_l2_normalize(g, vkd_detach(g, target), 0));
    return vkd_scale(g, mean, (float) vkd_tensor_shape(target).d[3]);
}

static vkd_tensor *loss(vkd_graph *g, const struct vkd__ssl_inputs *in, const struct vkd__ssl_config *c)
{
    (void) c;
    return vkd_add(g, direction(g, in->student[0][PREDICTION], in->teacher[1][PROJECTION]),
                   direction(g, in->student[1][PREDICTION], in->teacher[0][PROJECTION]));
}

static double collapsed(const struct vkd__ssl_config *c, uint32_t batch)
{
    (void) c;
    (void) batch;
    return NAN;
}

const struct vkd__ssl_method vkd_ssl_byol = {
    .name = "byol",
    .config = { .projector_hidden = 4096, .projector_out = 256, .projector_layers = 2, .predictor_hidden = 4096,
                .momentum = 0.99f, .momentum_end = 1 },
    .teacher = true,
    .batch_min = 2,
    .embed = embed,
    .loss = loss,
    .collapsed = collapsed,
};
