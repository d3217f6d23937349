// bench_copy -- y = x, for the bandwidth of the roofline.
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "load.glsl"
#include "pc_bench.h"
layout(push_constant) uniform block { vkd_pc_bench pc; };
SOURCE(readonly restrict, 0, X);                                    // (count)
RESULT_F32(writeonly restrict, 1, Y);      // (count)

void main()
{
    vec4 v[4];
    for (uint k = 0; k < 4; k++)
        v[k] = LOAD(X, min(linear_item(k), pc.count - 1));
    for (uint k = 0; k < 4; k++)
        if (linear_item(k) < pc.count)
            STORE_F32(Y, linear_item(k), v[k]);
}
