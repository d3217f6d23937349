// silu -- y = x s(x), s(x) = 1 / (1 + exp(-x)). Backward, from x: dx = dy s (1 + x (1 - s)).
#version 450
//: axis fwd:INPUTS=1 bwd:INPUTS=2
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#include "map.glsl"

// By exp(-|x|), which cannot overflow; below exp(-104) there is no float.
vec4 sigmoid(vec4 x)
{
    vec4 e = exp(-min(abs(x), vec4(104)));
    return mix(vec4(1), e, lessThan(x, vec4(0))) / (1 + e);
}

vec4 map(vec4 x) { return x * sigmoid(x); }
vec4 map(vec4 x, vec4 dy)
{
    vec4 s = sigmoid(x);
    return dy * s * (1 + x * (1 - s));
}
