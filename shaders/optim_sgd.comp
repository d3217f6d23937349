// optim_sgd -- stochastic gradient descent with momentum, as torch.optim.SGD with dampening 0.
//
//   d = g + wd p;  m = momentum m + d;  p -= lr (nesterov ? d + momentum m : m)
#version 450
#include "optim_window.h"

layout(std430, binding = 2) readonly restrict buffer Metrics { vkd_metrics_block metrics; };
layout(std430, binding = 3) restrict buffer P { vec4 p[]; };
layout(std430, binding = 4) readonly restrict buffer G { vec4 g[]; };
layout(std430, binding = 5) restrict buffer M { vec4 m[]; };

void main()
{
    vkd_optim_chunk c = this_chunk();
    float lr = rate_of(c);
    if ((metrics.left_alone >> c.group & 1u) != 0u || lr == 0.0)
        return;
    float decay = now.weight_decay * c.decay_factor;
    float factor = factor_of(c, metrics.grad_factor, metrics.raw_factor), momentum = now.momentum;
    VKD_FOR_QUADS(i, c) {
        vec4 w = p[i];
        vec4 d = factor * g[i] + decay * w;
        vec4 v = momentum * m[i] + d;
        m[i] = v;
        p[i] = w - lr * (pc.nesterov != 0u ? d + momentum * v : v);
    }
}
