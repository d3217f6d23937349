// sgd.c -- SGD with momentum, as torch.optim.SGD with dampening 0:
//
//   d = g + wd p
//   m = momentum m + d                      (m starts at 0)
//   p -= lr (nesterov ? d + momentum m : m)
#include "../optimizer.h"

static void ref(const struct vkd__optimizer_ref *r)
{
    double momentum = r->config->momentum, *m = r->state[0];
    for (uint64_t i = 0; i < r->count; i++) {
        double d = r->g[i] + r->weight_decay * r->p[i];
        m[i] = momentum * m[i] + d;
        r->p[i] -= r->lr * (r->config->nesterov ? d + momentum * m[i] : m[i]);
    }
}

const struct vkd_optimizer_rule vkd_optimizer_sgd = {
    .name = "sgd",
    .states = { "momentum" },
    .kernel = { "optim_sgd" },
    .defaults = { .momentum = 0.9, .decay_norm_bias = true },
    .ref = ref,
};
