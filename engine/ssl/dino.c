// dino.c -- DINO (Caron et al., ICCV 2021): the student matches the teacher's distribution over prototypes, which is
// centred, against one prototype winning always, and sharpened, against all of them winning alike.
//
//   s_v (N, K), t_i (N, K): prototype scores of the student for all views, of the teacher for the large ones
//   q_i = softmax((t_i - centre) / teacher_temperature)
//   L = mean over i and views v != i of mean over images of -sum_k q_i log softmax(s_v / temperature)
//   centre (K) <- center_momentum * centre + (1 - center_momentum) * mean over images and i of t_i
//
// Head as solo-learn's: `projector_layers` linear layers with biases and GELU between them, with batch norm before the
// GELU instead of the biases if `projector_norm` says so (the paper's use_bn_in_head); the result's direction times
// prototypes of length 1 each (a weight norm whose g stays 1). With uniform distributions L = ln K.
#include "../ssl.h"

#include <math.h>
#include <stdio.h>

#define PROTOTYPES "prototypes"

enum { PROJECTION, SCORES };

static void embed(vkd_graph *g, vkd_tensor *features, const struct vkd__ssl_config *c, bool is_teacher,
                  vkd_tensor *out[VKD__SSL_OUT_MAX])
{
    (void) is_teacher;
    vkd_tensor *x = features;
    for (uint32_t i = 0; i < c->projector_layers; i++) {
        char name[32];
        bool end = i + 1 == c->projector_layers;
        snprintf(name, sizeof(name), "projector.%u", i);
        x = vkd_layer_linear(g, x, name, end ? c->projector_out : c->projector_hidden, end || !c->projector_norm);
        if (!end && c->projector_norm) {
            snprintf(name, sizeof(name), "projector.%u_norm", i);
            x = vkd_layer_batch_norm(g, x, name, VKD_ACT_NONE, NULL);
        }
        if (!end)
            x = vkd_gelu(g, x);
    }
    // A row per prototype, so that l2_normalize is the weight norm.
    vkd_tensor *weight = vkd_param(g, &(struct vkd_param_params) {
        .name = PROTOTYPES ".weight", .shape = { { 1, 1, c->prototypes, c->projector_out } }, .init = VKD_INIT_LINEAR,
        .fan_in = c->projector_out, .fan_out = c->prototypes });
    out[PROJECTION] = x;
    out[SCORES] = vkd_matmul(g, vkd_l2_normalize(g, x, 0), vkd_l2_normalize(g, weight, 0),
                             &(struct vkd_attr) { .trans_b = 1 });
}

static vkd_tensor *loss(vkd_graph *g, const struct vkd__ssl_inputs *in, const struct vkd__ssl_config *c)
{
    vkd_tensor *q[VKD__SSL_VIEWS_MAX], *mean = NULL;
    vkd_tensor *centre = vkd_param(g, &(struct vkd_param_params) {
        .name = "centre", .shape = { { 1, 1, 1, vkd_tensor_shape(in->student[0][SCORES]).d[3] } },
        .init = VKD_INIT_ZERO, .rank = 1, .state = true });
    vkd_tensor *minus = vkd_scale(g, centre, -1);
    for (uint32_t i = 0; i < in->large; i++) {
        vkd_tensor *t = vkd_detach(g, in->teacher[i][SCORES]), *own = vkd_mean(g, t, 7);    // (1, 1, 1, K)
        q[i] = vkd_softmax(g, vkd_scale(g, vkd_bias(g, t, minus), 1 / c->teacher_temperature));
        mean = mean ? vkd_add(g, mean, own) : own;
    }
    vkd_running_average(g, centre, vkd_scale(g, mean, 1 / (float) in->large), c->center_momentum);
    return vkd__ssl_swapped(g, in, SCORES, q, c->temperature);
}

static double collapsed(const struct vkd__ssl_config *c, uint32_t batch)
{
    (void) batch;
    return log(c->prototypes);
}

const struct vkd__ssl_method vkd_ssl_dino = {
    .name = "dino",
    .config = { .projector_hidden = 2048, .projector_out = 256, .projector_layers = 3, .prototypes = 4096,
                .frozen_epochs = 1, .temperature = 0.1f, .teacher_temperature = 0.07f, .momentum = 0.9995f,
                .momentum_end = 1, .center_momentum = 0.9f },
    .teacher = true,
    .crops = true,
    .batch_min = 2,
    .embed = embed,
    .loss = loss,
    .collapsed = collapsed,
    .frozen_first = PROTOTYPES,
};
