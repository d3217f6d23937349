// running_average -- s = m s + (1 - m) x in place, m being alpha.
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "load.glsl"
#include "pc_elementwise.h"
layout(push_constant) uniform Block { vkd_pc_elementwise pc; };
SOURCE(readonly, 0, X);                                         // (count)
layout(binding = 1) restrict buffer State { vec4 s[]; };        // (count)

void main()
{
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k);
        if (i < pc.count)
            s[i] = pc.alpha * s[i] + (1 - pc.alpha) * LOAD(X, i);
    }
}
