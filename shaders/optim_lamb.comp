// optim_lamb -- Adam's direction with a step length per tensor, in two passes around the norms:
// the first updates the moments and sums |u|^2 and |p|^2, the second makes u again and applies it.
// Formulas: engine/optimizers/lamb.c.
//
//   u = (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) + wd p;  p -= lr |p| / |u| u
//
//: axis moments:APPLY=0 apply:APPLY=1
#version 450
#include "optim_window.h"

layout(std430, binding = 2) readonly restrict buffer Metrics { vkd_metrics_block metrics; };
#if APPLY
layout(std430, binding = 3) restrict buffer P { vec4 p[]; };
layout(std430, binding = 4) readonly restrict buffer M { vec4 m[]; };
layout(std430, binding = 5) readonly restrict buffer V { vec4 v[]; };
layout(std430, binding = 6) readonly restrict buffer Norms { vec2 norms[]; };   // |u|, |p|
#else
#include "optim_reduce.h"
layout(std430, binding = 3) readonly restrict buffer P { vec4 p[]; };
layout(std430, binding = 4) readonly restrict buffer G { vec4 g[]; };
layout(std430, binding = 5) restrict buffer M { vec4 m[]; };
layout(std430, binding = 6) restrict buffer V { vec4 v[]; };
layout(std430, binding = 7) writeonly restrict buffer Partials { vec2 partials[]; };
#endif

// `bias` holds the reciprocals of the bias corrections.
vec4 direction(vec4 w, vec4 mean, vec4 square, vec2 bias, float decay)
{
    return bias.x * mean / (sqrt(bias.y * square) + pc.eps) + decay * w;
}

void main()
{
    vkd_optim_chunk c = this_chunk();
    float step_size = rate_of(c);
    if ((metrics.left_alone >> c.group & 1u) != 0u || step_size == 0.0)
        return;
    float decay = now.weight_decay * c.decay_factor;
    vec2 bias = 1.0 / vec2(metrics.bias[2u * c.group], metrics.bias[2u * c.group + 1u]);
#if APPLY
    vec2 n = norms[c.tensor];
    if (c.adapt != 0u && n.x > 0.0 && n.y > 0.0)
        step_size *= n.y / n.x;
    VKD_FOR_QUADS(i, c) {
        vec4 w = p[i];
        p[i] = w - step_size * direction(w, m[i], v[i], bias, decay);
    }
#else
    float factor = factor_of(c, metrics.grad_factor, metrics.raw_factor);
    vec2 sum = vec2(0.0);
    VKD_FOR_QUADS(i, c) {
        vec4 w = p[i], d = factor * g[i];
        vec4 mean = pc.beta1 * m[i] + pc.rest1 * d;
        vec4 square = pc.beta2 * v[i] + pc.rest2 * d * d;
        m[i] = mean;
        v[i] = square;
        vec4 u = direction(w, mean, square, bias, decay);
        sum += vec2(dot(u, u), dot(w, w));
    }
    sum = reduce_workgroup(sum);
    if (gl_LocalInvocationID.x == 0u)
        partials[pc.chunk + gl_WorkGroupID.x] = sum;
#endif
}
