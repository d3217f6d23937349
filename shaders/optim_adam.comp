// optim_adam -- Adam, as torch.optim.Adam (weight decay joins the gradient) and torch.optim.AdamW
// (weight decay shrinks the weight directly).
//
//   adam: g += wd p;  adamw: p *= 1 - lr wd
//   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
//   p -= lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps)
//
//: axis l2:DECOUPLED=0 decoupled:DECOUPLED=1
#version 450
#include "optim_window.h"

layout(std430, binding = 2) readonly restrict buffer Metrics { vkd_metrics_block metrics; };
layout(std430, binding = 3) restrict buffer P { vec4 p[]; };
layout(std430, binding = 4) readonly restrict buffer G { vec4 g[]; };
layout(std430, binding = 5) restrict buffer M { vec4 m[]; };
layout(std430, binding = 6) restrict buffer V { vec4 v[]; };

void main()
{
    vkd_optim_chunk c = this_chunk();
    float lr = rate_of(c);
    if ((metrics.left_alone >> c.group & 1u) != 0u || lr == 0.0)
        return;
    float decay = now.weight_decay * c.decay_factor, factor = factor_of(c, metrics.grad_factor, metrics.raw_factor);
    float step_size = lr / metrics.bias[2u * c.group], inv_bias2 = 1.0 / metrics.bias[2u * c.group + 1u];
    VKD_FOR_QUADS(i, c) {
        vec4 w = p[i], d = factor * g[i];
#if DECOUPLED
        w -= lr * decay * w;
#else
        d += decay * w;
#endif
        vec4 mean = pc.beta1 * m[i] + pc.rest1 * d;
        vec4 square = pc.beta2 * v[i] + pc.rest2 * d * d;
        m[i] = mean;
        v[i] = square;
        p[i] = w - step_size * mean / (sqrt(square * inv_bias2) + pc.eps);
    }
}
