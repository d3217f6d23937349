// group_spread -- the gradient of group_sum: every row of a chunk gets its group's dy times scale.
#version 450
//: axis buffer:HALF=0 buffer_half:HALF=1
#extension GL_GOOGLE_include_directive : require
#include "load.glsl"
#include "pc_pool.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_group_sum pc; };
layout(binding = 0) readonly restrict buffer DY { vec4 dy[]; };     // (groups, c4)
RESULT(writeonly restrict, 1, DX);                                  // (groups, rows, c4)

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.groups * pc.chunks * pc.c4)
        return;
    uint c4 = i % pc.c4, group = i / pc.c4 / pc.chunks, first = i / pc.c4 % pc.chunks * pc.per_chunk;
    uint count = min(pc.rows - first, pc.per_chunk), at = (group * pc.rows + first) * pc.c4 + c4;
    vec4 value = dy[group * pc.c4 + c4] * pc.scale;
    for (uint k = 0; k < count; k++, at += pc.c4)
        STORE(DX, at, value);
}
