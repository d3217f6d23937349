// group_sum -- sums rows of each group in chunks, times scale: one thread per chunk and vec4.
//
// x (groups, rows, c4) -> y (groups, chunks, c4); applied again to y, with one chunk, it ends the sum.
#version 450
//: axis buffer:HALF=0 buffer_half:HALF=1
#extension GL_GOOGLE_include_directive : require
#include "load.glsl"
#include "pc_pool.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_group_sum pc; };
SOURCE(readonly restrict, 0, X);
layout(binding = 1) writeonly restrict buffer Y { vec4 y[]; };

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.groups * pc.chunks * pc.c4)
        return;
    uint c4 = i % pc.c4, group = i / pc.c4 / pc.chunks, first = i / pc.c4 % pc.chunks * pc.per_chunk;
    uint count = min(pc.rows - first, pc.per_chunk), at = (group * pc.rows + first) * pc.c4 + c4;
    vec4 sum = vec4(0);
    for (uint k = 0; k < count; k++, at += pc.c4)
        sum += LOAD(X, at);
    y[i] = sum * pc.scale;
}
