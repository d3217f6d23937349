// bias -- y(n, h, w, c) = x(n, h, w, c) + b(c). y may lie on x.
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "load.glsl"
#include "pc_elementwise.h"
layout(push_constant) uniform Block { vkd_pc_elementwise pc; };
SOURCE(readonly, 0, X);         // (count)
SOURCE_F32(readonly, 1, B);     // (width)
RESULT(writeonly, 2, Y);        // (count)

void main()
{
    vec4 v[4];
    for (uint k = 0; k < 4; k++) {
        uint i = min(linear_item(k), pc.count - 1);
        v[k] = LOAD(X, i) + LOAD_F32(B, (pc.first + i) % pc.width);
    }
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k);
        if (i < pc.count)
            STORE(Y, i, v[k]);
    }
}
