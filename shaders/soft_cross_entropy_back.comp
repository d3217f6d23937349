// soft_cross_entropy_back -- dx = dloss alpha / rows * (softmax(alpha x) sum q - q). One thread per vec4.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "nan.glsl"
#include "pc_rows.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_rows pc; };
layout(binding = 0) readonly restrict buffer DLoss { float dloss; };
layout(binding = 1) readonly restrict buffer X { vec4 x[]; };               // (rows, c4)
layout(binding = 2) readonly restrict buffer Q { vec4 q[]; };               // (rows, c4)
layout(binding = 3) readonly restrict buffer Saved { vec4 saved[]; };       // (rows): max, log_sum, sum q, 0
layout(binding = 4) writeonly restrict buffer DX { vec4 dx[]; };            // (rows, c4)

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.rows * pc.c4)
        return;
    vec4 norm = saved[i / pc.c4];
    vec4 p = exp_down(pc.alpha * (x[i] - norm.x) - norm.y);
    vec4 d = (p * norm.z - q[i]) * (dloss * pc.alpha / float(pc.rows));
    dx[i] = mix(vec4(0), d, lessThan(4 * (i % pc.c4) + uvec4(0, 1, 2, 3), uvec4(pc.c)));
}
