// probe_loop -- y[i] = the state of a generator begun with i after so many turns: for `vkdiv selftest`.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pc_probe.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform Block { vkd_pc_probe pc; };
layout(binding = 0) writeonly restrict buffer Y { uint y[]; };

void main()
{
    uint state = gl_GlobalInvocationID.x;
    for (uint n = 0; n < pc.count; n++)
        state = state * VKD_PROBE_LCG_MUL + VKD_PROBE_LCG_ADD;
    y[gl_GlobalInvocationID.x] = state;
}
