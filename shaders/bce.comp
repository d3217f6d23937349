// bce -- per known element max(x, 0) - x t + log(1 + exp(-|x|)), summed and counted per workgroup.
#version 450
#extension GL_GOOGLE_include_directive : require
#define SUM
#define KNOWN
#include "loss.glsl"
#include "nan.glsl"
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };
layout(binding = 1) readonly restrict buffer T { vec4 target[]; };

bvec4 known(uint i) { return mix(is_channel(i), bvec4(false), lessThan(target[i], vec4(0))); }

vec4 element(uint i)
{
    vec4 v = x[i];
    // A comparison instead of max: a NaN stays a NaN.
    vec4 loss = mix(v, vec4(0), lessThan(v, vec4(0))) - v * target[i] + log(1 + exp_down(-abs(v)));
    return mix(vec4(0), loss, known(i));
}
