// lars.c -- LARS (You, Gitman, Ginsburg 2017). Papers rarely say which of three variants they used; this one is
// that of lightly and solo-learn, where the trust ratio scales gradient and weight decay before they join the momentum:
//
//   q = eta |p| / (|g| + wd |p| + eps)      (clip_lr: q = min(q / lr, 1))
//   d = q (g + wd p)
//   m = momentum m + d;  p -= lr (nesterov ? d + momentum m : m)
//
// Norms are per tensor. A tensor with |p| = 0 or |g| = 0 takes d = g. A 1-d parameter takes
// d = g + wd p, its wd being 0 unless decay_norm_bias is set (it is not in lightly and solo-learn).
//
// Not this: the paper's, where the rate is inside the momentum, m = momentum m + lr q (g + wd p), p -= m, which
// differs when lr changes; and FAIR's (Barlow Twins, VICReg, MoCo v3), where q = eta |p| / |g + wd p|.
#include "../optimizer.h"

#include <math.h>

static void ref(const struct vkd__optimizer_ref *r)
{
    double momentum = r->config->momentum, *m = r->state[0];
    double q = 1, decay = r->weight_decay;
    if (r->adapt) {
        double g = vkd__norm_ref(r->g, r->count), p = vkd__norm_ref(r->p, r->count);
        if (g > 0 && p > 0) {
            q = r->config->eta * p / (g + decay * p + r->config->eps);
            if (r->config->clip_lr)
                q = fmin(q / r->lr, 1);
        } else {
            decay = 0;
        }
    }
    for (uint64_t i = 0; i < r->count; i++) {
        double d = q * (r->g[i] + decay * r->p[i]);
        m[i] = momentum * m[i] + d;
        r->p[i] -= r->lr * (r->config->nesterov ? d + momentum * m[i] : m[i]);
    }
}

const struct vkd_optimizer_rule vkd_optimizer_lars = {
    .name = "lars",
    .states = { "momentum" },
    .kernel = { "optim_lars" },
    .norms = VKD__NORMS_GRADIENT,
    .defaults = { .momentum = 0.9, .eta = 0.02, .eps = 1e-8 },
    .ref = ref,
};
