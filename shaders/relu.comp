// relu -- y = max(x, 0), a NaN stays one. Backward, from y: dx = dy where not y <= 0.
#version 450
//: axis fwd:INPUTS=1 bwd:INPUTS=2
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#include "map.glsl"

vec4 map(vec4 x) { return mix(x, vec4(0), lessThanEqual(x, vec4(0))); }
vec4 map(vec4 y, vec4 dy) { return mix(dy, vec4(0), lessThanEqual(y, vec4(0))); }
