// bce -- per known element max(x, 0) - x t + log(1 + exp(-|x|)), summed and counted per workgroup. Weighted, with
// s = log(1 + exp(-x)): (1 - t) x + (1 + (w - 1) t) s.
//: axis plain:WEIGHTED=0 weighted:WEIGHTED=1
#version 450
#extension GL_GOOGLE_include_directive : require
#define SUM
#define KNOWN
#if WEIGHTED
#define INPUTS 3
#endif
#include "loss.glsl"
#include "nan.glsl"
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };
layout(binding = 1) readonly restrict buffer T { vec4 target[]; };
#if WEIGHTED
layout(binding = 2) readonly restrict buffer Weights { vec4 weights[]; };      // (c4)
#endif

bvec4 known(uint i) { return mix(is_channel(i), bvec4(false), lessThan(target[i], vec4(0))); }

vec4 element(uint i)
{
    vec4 v = x[i], t = target[i];
    vec4 rest = log(1 + exp_down(-abs(v)));
    // A comparison instead of max: a NaN stays a NaN.
#if WEIGHTED
    vec4 s = mix(vec4(0), -v, lessThan(v, vec4(0))) + rest;
    vec4 loss = (1 - t) * v + (1 + (weights[i % pc.c4] - 1) * t) * s;
#else
    vec4 loss = mix(v, vec4(0), lessThan(v, vec4(0))) - v * t + rest;
#endif
    return mix(vec4(0), loss, known(i));
}
