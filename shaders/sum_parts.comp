// sum_parts -- y[i] = sum over s of part[s][i], in the order of s: the end of a split reduction.
#version 450
//: axis buffer:HALF=0 buffer_half:HALF=1
#extension GL_GOOGLE_include_directive : require
#include "load.glsl"
#include "pc_sum_parts.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_sum_parts pc; };
layout(binding = 0) readonly restrict buffer PARTS { vec4 part[]; };
RESULT(writeonly restrict, 1, Y);

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.count)
        return;
    vec4 sum = vec4(0);
    for (uint s = 0; s < pc.parts; s++)
        sum += part[s * pc.stride + i];
    STORE(Y, i, sum);
}
