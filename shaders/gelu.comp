// gelu -- y = x P(x), P the normal distribution function: P(x) = (1 + erf(x / sqrt 2)) / 2 (Hendrycks, Gimpel 2016).
// Backward, from x: dx = dy (P(x) + x p(x)), p(x) = exp(-x^2 / 2) / sqrt(2 pi).
#version 450
//: axis fwd:INPUTS=1 bwd:INPUTS=2
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#include "map.glsl"

// P(x). For z = |x| / sqrt 2 < 1 an odd polynomial, above erfc(z) = exp(-z^2) (a1 t + ... + a5 t^5) with
// t = 1 / (1 + 0.53 z), the form of Hastings (Approximations for Digital Computers, 1955). Minimax fits; at most 7e-8
// from P in f32.
vec4 normal_cdf(vec4 x, vec4 e)     // e = exp(-x^2 / 2)
{
    vec4 z = abs(x) * 0.70710678, s = min(z * z, vec4(1));
    vec4 inner = 1.12837913 + s * (-0.376123557 + s * (0.112804113 + s * (-0.0267176982 + s * (0.00492477737 +
                 s * -0.000566010038))));
    vec4 t = 1 / (1 + 0.53 * z);
    vec4 outer = e * t * (0.296035464 + t * (0.330903324 + t * (0.12094263 + t * (0.458410903 + t * -0.20694863))));
    vec4 upper = mix(0.5 * outer, 0.5 - 0.5 * z * inner, lessThan(z, vec4(1)));     // P(-|x|)
    return mix(upper, 1 - upper, greaterThan(x, vec4(0)));
}

// exp(-x^2 / 2): below exp(-104) there is no float.
vec4 bell(vec4 x) { return exp(-min(0.5 * x * x, vec4(104))); }

vec4 map(vec4 x) { return x * normal_cdf(x, bell(x)); }
vec4 map(vec4 x, vec4 dy)
{
    vec4 e = bell(x);
    return dy * (normal_cdf(x, e) + x * e * 0.39894228);
}
