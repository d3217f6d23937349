// probe_chain -- y[i] = 3 x[(i + shift) mod count] + i: each depends on what another workgroup wrote before. For `vkdiv selftest`.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pc_probe.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform Block { vkd_pc_probe pc; };
layout(binding = 0) readonly restrict buffer X { uint x[]; };       // (count)
layout(binding = 1) writeonly restrict buffer Y { uint y[]; };      // (count)

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i < pc.count)
        y[i] = 3 * x[(i + pc.shift) % pc.count] + i;
}
