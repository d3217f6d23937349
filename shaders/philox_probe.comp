// philox_probe -- y[i] = Philox of the counter and key x[6 i ... 6 i + 5]: for test_philox.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "philox.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform Block { uint count; };
layout(binding = 0) readonly restrict buffer X { uint x[]; };       // (count, 6)
layout(binding = 1) writeonly restrict buffer Y { uvec4 y[]; };     // (count)
layout(binding = 2) writeonly restrict buffer U { float u[]; };     // (count): vkd_uniform of the first word

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= count)
        return;
    uint at = 6 * i;
    uvec4 word = vkd_philox(uvec4(x[at], x[at + 1], x[at + 2], x[at + 3]), uvec2(x[at + 4], x[at + 5]));
    y[i] = word;
    u[i] = vkd_uniform(word.x);
}
