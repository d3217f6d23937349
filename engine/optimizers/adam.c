// adam.c -- Adam (Kingma, Ba 2015), as torch.optim.Adam: weight decay joins the gradient.
//
//   g += wd p
//   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
//   p -= lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps)
#include "../optimizer.h"

#include <math.h>

static void ref(const struct vkd__optimizer_ref *r)
{
    double b1 = r->config->beta1, b2 = r->config->beta2, eps = r->config->eps;
    double bias1 = 1 - pow(b1, (double) r->t), bias2 = 1 - pow(b2, (double) r->t);
    double *m = r->state[0], *v = r->state[1];
    for (uint64_t i = 0; i < r->count; i++) {
        double g = r->g[i] + r->weight_decay * r->p[i];
        m[i] = b1 * m[i] + (1 - b1) * g;
        v[i] = b2 * v[i] + (1 - b2) * g * g;
        r->p[i] -= r->lr / bias1 * m[i] / (sqrt(v[i] / bias2) + eps);
    }
}

const struct vkd_optimizer_rule vkd_optimizer_adam = {
    .name = "adam",
    .states = { "exp_avg", "exp_avg_sq" },
    .kernel = { "optim_adam.l2" },
    .defaults = { .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay_norm_bias = true },
    .ref = ref,
};
