// running_average -- s = m s + (1 - m) x in place, m being alpha.
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "load.glsl"
#include "pc_elementwise.h"
layout(push_constant) uniform Block { vkd_pc_elementwise pc; };
SOURCE(readonly, 0, X);                                         // (count)
RESULT_F32(restrict, 1, State);        // (count)

void main()
{
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k);
        if (i < pc.count)
            STORE_F32(State, i, pc.alpha * unpack_f32(State[i]) + (1 - pc.alpha) * LOAD(X, i));
    }
}
