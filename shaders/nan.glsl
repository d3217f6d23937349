// nan.glsl -- keeping NaN visible: some drivers' exp, min and max turn it into a number, and a
// diverged training would go on unnoticed.

// By its bits: compilers may assume that isnan is false.
bvec4 is_nan(vec4 v) { return greaterThan(floatBitsToUint(v) & 0x7fffffffu, uvec4(0x7f800000u)); }

// exp of what is at most 0. Bounded below, where the result is 0 anyway and some drivers' exp is wrong.
vec4 exp_down(vec4 v)
{
    return mix(exp(mix(v, vec4(-103), lessThan(v, vec4(-103)))), v, is_nan(v));
}
