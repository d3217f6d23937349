// row_index -- y[i] = begin + i % period. One thread per four.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pc_index.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform Block { vkd_pc_index pc; };
layout(binding = 0) writeonly restrict buffer Y { uvec4 y[]; };     // (count), padding 0

void main()
{
    uint at = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    uvec4 i = 4 * at + uvec4(0, 1, 2, 3);
    if (i.x < pc.count)
        y[at] = mix(uvec4(0), pc.begin + i % pc.period, lessThan(i, uvec4(pc.count)));
}
