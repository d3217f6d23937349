// batch_norm_apply -- y = act((x - mean) * invstd * gamma + beta + residual).
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#include "batch_norm.glsl"
#include "load.glsl"
SOURCE(readonly restrict, 0, X);        // (rows, c4)
SOURCE_F32(readonly restrict, 1, Mean); // (c4), as the next three
SOURCE_F32(readonly restrict, 2, Invstd);
SOURCE_F32(readonly restrict, 3, Gamma);
SOURCE_F32(readonly restrict, 4, Beta);
SOURCE(readonly restrict, 5, R);        // (rows, c4); x again without one
RESULT(writeonly restrict, 6, Y);       // (rows, c4)

void main()
{
    uint i = linear_index();
    if (i >= pc.chunks * pc.c4)
        return;
    uint c4 = i % pc.c4, chunk = i / pc.c4, n = chunk_count(chunk);
    uint at = chunk_row(chunk) * pc.c4 + c4, step = pc.lanes * pc.c4;
    vec4 m = LOAD_F32(Mean, c4), scale = LOAD_F32(Invstd, c4) * LOAD_F32(Gamma, c4), shift = LOAD_F32(Beta, c4);
    for (uint k = 0; k < n; k++, at += step) {
        vec4 v = normalize_channel(LOAD(X, at), m, scale, shift);
        if (RESIDUAL == 1)
            v += LOAD(R, at);
        STORE(Y, at, activate(v));
    }
}
