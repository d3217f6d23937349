// mse -- per element (x - t)^2, summed per workgroup.
#version 450
#extension GL_GOOGLE_include_directive : require
#define SUM
#include "loss.glsl"
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };
layout(binding = 1) readonly restrict buffer T { vec4 target[]; };

vec4 element(uint i)
{
    vec4 d = x[i] - target[i];
    return d * d;
}
