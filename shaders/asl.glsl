// asl.glsl -- the parts of the asymmetric loss of four elements; engine/ops/asl.c has the formula. Needs nan.glsl and
// pc_rows' push constants.
struct asl_parts {
    vec4 p, q;          // sigmoid(x) and 1 - that
    vec4 n;             // min(q + clip, 1)
    vec4 log_loss;      // -(y log p + (1 - y) log n)
    vec4 base, gamma;   // 1 - pt, and its exponent
    bvec4 past_clip;    // p >= clip: n moves with x
};

// b^g for b >= 0: 1 when g is 0. The bounded logarithm keeps 0^g from what drivers make of log2(0).
vec4 asl_power(vec4 b, vec4 g)
{
    vec4 small = vec4(1e-37);
    vec4 v = mix(exp2(g * log2(mix(b, small, lessThan(b, small)))), vec4(0), lessThan(b, small));
    return mix(v, vec4(1), equal(g, vec4(0)));
}

asl_parts asl_of(vec4 x, vec4 y)
{
    asl_parts a;
    vec4 e = exp_down(-abs(x)), large = 1 / (1 + e), log_large = log(1 + e);
    bvec4 up = greaterThan(x, vec4(0));
    a.p = mix(e * large, large, up);
    a.q = mix(large, e * large, up);
    a.past_clip = greaterThanEqual(a.p, vec4(pc.clip));
    a.n = a.q + min(a.p, vec4(pc.clip));
    vec4 log_n = pc.clip > 0 ? log(a.n) : -log_large - mix(vec4(0), x, up);
    a.log_loss = y * (log_large - mix(x, vec4(0), up)) - (1 - y) * log_n;
    a.base = y * a.q + (1 - y) * mix(vec4(0), a.p - pc.clip, a.past_clip);
    a.gamma = y * pc.gamma_pos + (1 - y) * pc.gamma_neg;
    return a;
}
