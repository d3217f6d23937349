// batch_norm_back_partial -- sums over each chunk of rows of g and g * (x - mean), g = dy masked by y.
// Without a residual, y is found again from x, which is read anyway.
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#include "batch_norm.glsl"
#include "load.glsl"
SOURCE(readonly restrict, 0, DY);       // (rows, c4)
SOURCE(readonly restrict, 1, Y);        // (rows, c4); read with a residual and activation
SOURCE(readonly restrict, 2, X);        // (rows, c4)
SOURCE_F32(readonly restrict, 3, Mean); // (c4), as the next three
SOURCE_F32(readonly restrict, 4, Invstd);
SOURCE_F32(readonly restrict, 5, Gamma);
SOURCE_F32(readonly restrict, 6, Beta);
RESULT_F32(writeonly restrict, 7, Partial);      // (c4, chunks, 2)

void main()
{
    uint i = linear_index();
    if (i >= pc.chunks * pc.c4)
        return;
    uint c4 = i % pc.c4, chunk = i / pc.c4, n = chunk_count(chunk);
    uint at = chunk_row(chunk) * pc.c4 + c4, step = pc.lanes * pc.c4;
    vec4 m = LOAD_F32(Mean, c4), scale = LOAD_F32(Invstd, c4) * LOAD_F32(Gamma, c4), shift = LOAD_F32(Beta, c4);
    vec4 sum = vec4(0), dot = vec4(0);
    for (uint k = 0; k < n;) {
        vec4 t1 = vec4(0), t2 = vec4(0);
        for (uint end = min(k + BLOCK, n); k < end; k++, at += step) {
            vec4 g = LOAD(DY, at), v = LOAD(X, at);
            if (ACTIVATION > 0)
                g = mask(g, RESIDUAL == 1 ? LOAD(Y, at) : normalize_channel(v, m, scale, shift));
            t1 += g;
            t2 += g * (v - m);
        }
        sum += t1;
        dot += t2;
    }
    STORE_F32(Partial, 2 * (c4 * pc.chunks + chunk), sum);
    STORE_F32(Partial, 2 * (c4 * pc.chunks + chunk) + 1, dot);
}
