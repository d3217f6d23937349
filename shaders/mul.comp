// mul -- y = a b.
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#define INPUTS 2
#include "map.glsl"

vec4 map(vec4 a, vec4 b) { return a * b; }
