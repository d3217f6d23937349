// weigh -- y = x times a weight of the step block. Backward is the same kernel on dy.
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "load.glsl"
#include "pc_elementwise.h"
#include "step_block.h"
layout(push_constant) uniform Block { vkd_pc_elementwise pc; };
SOURCE(readonly, 0, X);                                     // (count)
layout(binding = 1) readonly buffer Step { vkd_step_block step_block; };
RESULT_F32(writeonly, 2, Y);       // (count); may lie on x

void main()
{
    vec4 v[4];
    for (uint k = 0; k < 4; k++)
        v[k] = LOAD(X, min(linear_item(k), pc.count - 1)) * step_block.weights[pc.stream];
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k);
        if (i < pc.count)
            STORE_F32(Y, i, v[k]);
    }
}
