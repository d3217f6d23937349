// cross_entropy_back -- dx = dloss * weight * (p - (1 - e) [label] - e / C); 0 without a label. Weighted:
// dx = dloss * weight * ((1 - e) w_label (p - [label]) + e / C (p sum w - w)). One thread per vec4.
//: axis plain:WEIGHTED=0 weighted:WEIGHTED=1
#version 450
#extension GL_GOOGLE_include_directive : require
#include "nan.glsl"
#include "pc_rows.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_rows pc; };
layout(binding = 0) readonly restrict buffer DLoss { float dloss; };
layout(binding = 1) readonly restrict buffer Weight { float weight; };
layout(binding = 2) readonly restrict buffer X { vec4 x[]; };               // (rows, c4)
layout(binding = 3) readonly restrict buffer Labels { uint labels[]; };     // (rows)
layout(binding = 4) readonly restrict buffer Saved { vec4 saved[]; };       // (rows): max, log_sum, w_label, sum w
layout(binding = 5) writeonly restrict buffer DX { vec4 dx[]; };            // (rows, c4)
#if WEIGHTED
layout(binding = 6) readonly restrict buffer Weights { vec4 weights[]; };   // (c4)
#endif

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.rows * pc.c4)
        return;
    uint row = i / pc.c4, label = labels[row];
    uvec4 channel = 4 * (i % pc.c4) + uvec4(0, 1, 2, 3);
    vec4 norm = saved[row];
    vec4 p = exp_down(x[i] - norm.x - norm.y);
#if WEIGHTED
    vec4 missed = p - mix(vec4(0), vec4(1), equal(channel, uvec4(label)));
    p = (1 - pc.smoothing) * norm.z * missed + pc.smoothing / float(pc.c) * (p * norm.w - weights[i % pc.c4]);
#else
    p -= mix(vec4(0), vec4(1 - pc.smoothing), equal(channel, uvec4(label)));
    p -= pc.smoothing / float(pc.c);
#endif
    // A select, not a product: what stands in an image that is not there may be anything.
    uint end = label == 0xffffffffu ? 0 : pc.c;
    dx[i] = mix(vec4(0), p * (dloss * weight), lessThan(channel, uvec4(end)));
}
