// probe_half_math -- arithmetic of 16-bit floats, of pairs that are read as one word: for `vkdiv selftest`.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#include "pc_probe.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform Block { vkd_pc_probe pc; };
layout(binding = 0) readonly restrict buffer X { uint x[]; };       // (count): two halves
layout(binding = 1) writeonly restrict buffer Y { float y[]; };     // (count, VKD_PROBE_HALF_OPS)

void main()
{
    uint i = gl_GlobalInvocationID.x, at = i * VKD_PROBE_HALF_OPS;
    if (i >= pc.count)
        return;
    f16vec2 v = f16vec2(unpackHalf2x16(x[i]));
    float16_t a = v.x, b = v.y;
    y[at] = float(a + b);
    y[at + 1] = float(a - b);
    y[at + 2] = float(a * b);
    y[at + 3] = float(a * b + a);
    y[at + 4] = float(min(a, b));
    y[at + 5] = float(max(a, b));
    y[at + 6] = a < b ? 1.0 : 0.0;
    y[at + 7] = float(float16_t(int(a)));
}
