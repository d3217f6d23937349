// sinkhorn_columns -- per four prototypes and chunk of samples: the largest x = (s - top) / eps + g, and the sum of
// exp(x - largest). Chunks of queued samples count as empty while queue_on is 0.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "nan.glsl"
#include "pc_sinkhorn.h"
#include "step_block.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform Block { vkd_pc_sinkhorn pc; };
layout(constant_id = 0) const uint QUEUED = 0;
layout(binding = 0) readonly restrict buffer Step { vkd_step_block step_block; };
layout(binding = 1) readonly restrict buffer S { vec4 s[]; };               // (rows, c4)
layout(binding = 2) readonly restrict buffer Rows { vec2 rows[]; };         // (rows): top, g
layout(binding = 3) writeonly restrict buffer Partial { vec4 partial[]; };  // (all chunks, c4, 2): largest, sum

const float LOWEST = -3.402823466e38;

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.chunks * pc.c4)
        return;
    uint j = i % pc.c4, begin = i / pc.c4 * VKD_SINKHORN_CHUNK, end = min(begin + VKD_SINKHORN_CHUNK, pc.rows);
    vec4 most = vec4(LOWEST), sum = vec4(0);
    if (QUEUED == 1 && step_block.queue_on == 0)
        end = begin;
    for (uint row = begin; row < end; row++)
        most = max(most, (s[row * pc.c4 + j] - rows[row].x) / pc.eps + rows[row].y);
    for (uint row = begin; row < end; row++)
        sum += exp_down((s[row * pc.c4 + j] - rows[row].x) / pc.eps + rows[row].y - most);
    partial[2 * (pc.first * pc.c4 + i)] = most;
    partial[2 * (pc.first * pc.c4 + i) + 1] = sum;
}
