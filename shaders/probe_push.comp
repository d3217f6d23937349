// probe_push -- y = the push constants: for `vkdiv selftest`.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pc_probe.h"
layout(local_size_x = 32) in;
layout(push_constant) uniform Block { vkd_pc_probe_push pc; };
layout(binding = 0) writeonly restrict buffer Y { uint y[]; };      // (32)

void main()
{
    y[gl_LocalInvocationID.x] = pc.word[gl_LocalInvocationID.x];
}
