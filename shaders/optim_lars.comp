// optim_lars -- SGD with momentum on gradients scaled per tensor; formulas: engine/optimizers/lars.c.
//
//   q = eta |p| / (|g| + wd |p| + eps);  d = q (g + wd p);  then as optim_sgd
#version 450
#include "optim_window.h"

layout(std430, binding = 2) readonly restrict buffer Metrics { vkd_metrics_block metrics; };
layout(std430, binding = 3) restrict buffer P { vec4 p[]; };
layout(std430, binding = 4) readonly restrict buffer G { vec4 g[]; };
layout(std430, binding = 5) restrict buffer M { vec4 m[]; };
layout(std430, binding = 6) readonly restrict buffer Norms { vec2 norms[]; };   // |raw g|, |p|

void main()
{
    vkd_optim_chunk c = this_chunk();
    float lr = rate_of(c);
    if ((metrics.left_alone >> c.group & 1u) != 0u || lr == 0.0)
        return;
    float decay = now.weight_decay * c.decay_factor;
    float factor = factor_of(c, metrics.grad_factor, metrics.raw_factor), momentum = now.momentum, q = 1.0;
    if (c.adapt != 0u) {
        float g_norm = factor * norms[c.tensor].x, p_norm = norms[c.tensor].y;
        if (g_norm > 0.0 && p_norm > 0.0) {
            q = pc.eta * p_norm / (g_norm + decay * p_norm + pc.eps);
            if (pc.clip_lr != 0u)
                q = q < lr ? q / lr : 1.0;
        } else {
            decay = 0.0;
        }
    }
    VKD_FOR_QUADS(i, c) {
        vec4 w = p[i];
        vec4 d = q * (factor * g[i] + decay * w);
        vec4 v = momentum * m[i] + d;
        m[i] = v;
        p[i] = w - lr * (pc.nesterov != 0u ? d + momentum * v : v);
    }
}
