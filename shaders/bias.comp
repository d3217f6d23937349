// bias -- y(n, h, w, c) = x(n, h, w, c) + b(c). y may lie on x.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "pc_elementwise.h"
layout(push_constant) uniform Block { vkd_pc_elementwise pc; };
layout(binding = 0) readonly buffer X { vec4 x[]; };        // (count)
layout(binding = 1) readonly buffer B { vec4 b[]; };        // (width)
layout(binding = 2) writeonly buffer Y { vec4 y[]; };       // (count)

void main()
{
    vec4 v[4];
    for (uint k = 0; k < 4; k++) {
        uint i = min(linear_item(k), pc.count - 1);
        v[k] = x[i] + b[(pc.first + i) % pc.width];
    }
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k);
        if (i < pc.count)
            y[i] = v[k];
    }
}
