// mul -- y = a b.
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1
#extension GL_GOOGLE_include_directive : require
#define INPUTS 2
#include "map.glsl"

vec4 map(vec4 a, vec4 b) { return a * b; }
