// cast -- y = x in another type: f32 to one of 16 bits, or back.
#version 450
//: axis narrow:NARROW=1 widen:NARROW=0
//: axis buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "load.glsl"
#include "pc_elementwise.h"
layout(push_constant) uniform Block { vkd_pc_elementwise pc; };
#if NARROW
SOURCE_F32(readonly restrict, 0, X);                                // (count)
RESULT(writeonly restrict, 1, Y);                                   // (count)
#define READ LOAD_F32
#define WRITE STORE
#else
SOURCE(readonly restrict, 0, X);
layout(binding = 1) writeonly restrict buffer Y_ { vec4 Y[]; };
#define READ LOAD
#define WRITE(name, i, v) name[i] = v
#endif

void main()
{
    vec4 v[4];
    for (uint k = 0; k < 4; k++)
        v[k] = READ(X, min(linear_item(k), pc.count - 1));
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k);
        if (i < pc.count)
            WRITE(Y, i, v[k]);
    }
}
