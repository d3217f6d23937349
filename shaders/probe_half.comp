// probe_half -- y = x, read as numbers of 16 bits from a buffer of them: for `vkdiv selftest`.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_shader_16bit_storage : require
#include "pc_probe.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform Block { vkd_pc_probe pc; };
layout(binding = 0) readonly restrict buffer X { float16_t x[]; };  // (count)
layout(binding = 1) writeonly restrict buffer Y { float y[]; };     // (count)

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i < pc.count)
        y[i] = float(x[i]);
}
