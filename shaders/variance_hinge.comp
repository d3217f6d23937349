// variance_hinge -- per element max(0, 1 - sqrt(v + eps)), a NaN stays one; summed per workgroup.
#version 450
#extension GL_GOOGLE_include_directive : require
#define SUM
#define INPUTS 1
#include "loss.glsl"
layout(binding = 0) readonly restrict buffer V { vec4 v[]; };

vec4 element(uint i)
{
    vec4 short_of = 1 - sqrt(v[i] + pc.eps);
    return mix(vec4(0), mix(short_of, vec4(0), lessThanEqual(short_of, vec4(0))), is_channel(i));
}
