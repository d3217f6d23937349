// identity_mse -- per element on (x - 1)^2 on the diagonal and off x^2 elsewhere, summed per workgroup.
#version 450
#extension GL_GOOGLE_include_directive : require
#define SUM
#define INPUTS 1
#include "loss.glsl"
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };   // (c, c4)

vec4 element(uint i)
{
    bvec4 diagonal = equal(4 * (i % pc.c4) + uvec4(0, 1, 2, 3), uvec4(i / pc.c4));
    vec4 v = x[i];
    return mix(pc.off * v * v, pc.on * (v - 1) * (v - 1), diagonal);
}
