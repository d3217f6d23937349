// batch_norm_back_apply -- dx = k (g - c0 - (x - mean) c1) and dresidual = g, g = dy masked by y
// (found again from x without a residual).
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#include "batch_norm.glsl"
#include "load.glsl"
layout(constant_id = 3) const uint WANT_X = 1;
layout(constant_id = 4) const uint WANT_RESIDUAL = 0;
SOURCE(readonly, 0, DY);                // (rows, c4); dx may lie on it
SOURCE(readonly restrict, 1, Y);        // (rows, c4); read with a residual and activation
SOURCE(readonly restrict, 2, X);        // (rows, c4)
SOURCE_F32(readonly restrict, 3, Coef); // (c4, 5): mean, k, c0, c1, beta
RESULT(writeonly, 4, DX);               // (rows, c4); one of these two may
RESULT(writeonly, 5, DR);               // stand in for the other, unwritten

void main()
{
    uint i = linear_index();
    if (i >= pc.chunks * pc.c4)
        return;
    uint c4 = i % pc.c4, chunk = i / pc.c4, n = chunk_count(chunk);
    uint at = chunk_row(chunk) * pc.c4 + c4, step = pc.lanes * pc.c4;
    vec4 mean = LOAD_F32(Coef, 5 * c4), k = LOAD_F32(Coef, 5 * c4 + 1), c0 = LOAD_F32(Coef, 5 * c4 + 2);
    vec4 c1 = LOAD_F32(Coef, 5 * c4 + 3), shift = LOAD_F32(Coef, 5 * c4 + 4);
    for (uint j = 0; j < n; j++, at += step) {
        vec4 g = LOAD(DY, at), v = LOAD(X, at);
        if (ACTIVATION > 0)
            g = mask(g, RESIDUAL == 1 ? LOAD(Y, at) : normalize_channel(v, mean, k, shift));
        if (WANT_X == 1)
            STORE(DX, at, k * (g - c0 - (v - mean) * c1));
        if (WANT_RESIDUAL == 1)
            STORE(DR, at, g);
    }
}
