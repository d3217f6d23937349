// contrast_back -- ds_ia = dloss * weight * (exp(s_ia - max - log_sum) - [a positive of i] / positives); 0 on the
// diagonal and for rows that are no anchors. One thread per vec4.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "nan.glsl"
#include "pc_rows.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_rows pc; };
layout(binding = 0) readonly restrict buffer DLoss { float dloss; };
layout(binding = 1) readonly restrict buffer Weight { float weight; };
layout(binding = 2) readonly restrict buffer S { vec4 s[]; };               // (rows, c4)
layout(binding = 3) readonly restrict buffer Labels { uvec4 labels[]; };    // (rows)
layout(binding = 4) readonly restrict buffer Saved { vec4 saved[]; };       // (rows): max, log_sum, 1 / positives, 0
layout(binding = 5) writeonly restrict buffer DS { vec4 ds[]; };            // (rows, c4)

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.rows * pc.c4)
        return;
    uint row = i / pc.c4, j = i % pc.c4, label = labels[row / 4][row % 4];
    uvec4 column = 4 * j + uvec4(0, 1, 2, 3);
    vec4 norm = saved[row];
    vec4 p = exp_down(s[i] - norm.x - norm.y);
    p -= mix(vec4(0), vec4(norm.z), equal(labels[j], uvec4(label)));
    bvec4 other = notEqual(column, uvec4(row));
    uint end = norm.z > 0 ? pc.c : 0;
    ds[i] = mix(vec4(0), p * (dloss * weight), bvec4(uvec4(other) * uvec4(lessThan(column, uvec4(end)))));
}
