// bench_copy -- y = x, for the bandwidth of the roofline.
#version 450
#include "pc_bench.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_bench pc; };
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };
layout(binding = 1) writeonly restrict buffer Y { vec4 y[]; };

void main()
{
    // Neighbours in a workgroup take neighbouring vec4s.
    uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    uint first = group * 64u * uint(VKD_BENCH_VECS) + gl_LocalInvocationID.x;
    for (uint k = 0u; k < uint(VKD_BENCH_VECS); k++) {
        uint i = first + k * 64u;
        if (i < pc.count)
            y[i] = x[i];
    }
}
