// cast -- f32 to f16 and back, four elements at a time. Halves are packed into words, which needs no 16-bit storage.
#version 450
//: axis to_f16:TO_F16=1 to_f32:TO_F16=0
//: axis buffer
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "pc_elementwise.h"
layout(push_constant) uniform Block { vkd_pc_elementwise pc; };
#if TO_F16
  #define FROM vec4
  #define TO uvec2
  #define CONVERT(v) uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw))
#else
  #define FROM uvec2
  #define TO vec4
  #define CONVERT(v) vec4(unpackHalf2x16(v.x), unpackHalf2x16(v.y))
#endif
layout(binding = 0) readonly restrict buffer X { FROM x[]; };   // (count)
layout(binding = 1) writeonly restrict buffer Y { TO y[]; };    // (count)

void main()
{
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k);
        if (i < pc.count)
            y[i] = CONVERT(x[i]);
    }
}
