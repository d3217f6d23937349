// probe_unpack8 -- a word's four bytes as numbers without and with a sign: for `vkdiv selftest`.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#include "pc_probe.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform Block { vkd_pc_probe pc; };
layout(binding = 0) readonly restrict buffer X { uint x[]; };       // (count)
layout(binding = 1) writeonly restrict buffer Y { ivec4 y[]; };     // (count, 2)

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= pc.count)
        return;
    y[2 * i] = ivec4(uvec4(unpack8(x[i])));
    y[2 * i + 1] = ivec4(unpack8(int(x[i])));
}
