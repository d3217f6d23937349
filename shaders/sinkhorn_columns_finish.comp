// sinkhorn_columns_finish -- f = -log sum over all samples, from what sinkhorn_columns left of each chunk.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "nan.glsl"
#include "pc_sinkhorn.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform Block { vkd_pc_sinkhorn pc; };
layout(binding = 0) readonly restrict buffer Partial { vec4 partial[]; };   // (chunks, c4, 2): largest, sum
layout(binding = 1) writeonly restrict buffer F { vec4 f[]; };              // (c4)

void main()
{
    uint j = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (j >= pc.c4)
        return;
    vec4 most = partial[2 * j], sum = vec4(0);
    for (uint k = 1; k < pc.chunks; k++)
        most = max(most, partial[2 * (k * pc.c4 + j)]);
    for (uint k = 0; k < pc.chunks; k++)
        sum += partial[2 * (k * pc.c4 + j) + 1] * exp_down(partial[2 * (k * pc.c4 + j)] - most);
    f[j] = -(most + log(sum));
}
