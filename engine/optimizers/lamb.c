// lamb.c -- LAMB (You et al. 2020, algorithm 2 with phi(x) = x):
//
//   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
//   u = (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) + wd p
//   p -= lr |p| / |u| u
//
// Norms are per tensor. The ratio is 1 where |p| = 0 or |u| = 0 (so do apex and timm) and for 1-d
// parameters. Clipping by the global gradient norm, which apex does by default, is clip_norm.
#include "../optimizer.h"

#include <math.h>

static void ref(const struct vkd__optimizer_ref *r)
{
    double b1 = r->config->beta1, b2 = r->config->beta2, eps = r->config->eps;
    double bias1 = 1 - pow(b1, (double) r->t), bias2 = 1 - pow(b2, (double) r->t);
    double *m = r->state[0], *v = r->state[1], u_squared = 0;
    for (uint64_t i = 0; i < r->count; i++) {
        m[i] = b1 * m[i] + (1 - b1) * r->g[i];
        v[i] = b2 * v[i] + (1 - b2) * r->g[i] * r->g[i];
        double u = m[i] / bias1 / (sqrt(v[i] / bias2) + eps) + r->weight_decay * r->p[i];
        u_squared += u * u;
    }
    double p_norm = vkd__norm_ref(r->p, r->count), u_norm = sqrt(u_squared);
    double ratio = r->adapt && p_norm > 0 && u_norm > 0 ? p_norm / u_norm : 1;
    for (uint64_t i = 0; i < r->count; i++)
        r->p[i] -= r->lr * ratio * (m[i] / bias1 / (sqrt(v[i] / bias2) + eps) + r->weight_decay * r->p[i]);
}

const struct vkd_optimizer_rule vkd_optimizer_lamb = {
    .name = "lamb",
    .states = { "exp_avg", "exp_avg_sq" },
    .kernel = { "optim_lamb.moments", "optim_lamb.apply" },
    .norms = VKD__NORMS_UPDATE,
    .defaults = { .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-6, .weight_decay = 0.01 },
    .ref = ref,
};
