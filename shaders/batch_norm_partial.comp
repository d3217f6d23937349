// batch_norm_partial -- mean and sum of squared deviations of each chunk of rows.
//
//   d = x - x_first,  mean = x_first + sum d / n,  m2 = sum d^2 - (sum d)^2 / n
//
// The pivot keeps the squares small when |mean| >> std.
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#include "batch_norm.glsl"
#include "load.glsl"
SOURCE(readonly restrict, 0, X);        // (rows, c4)
RESULT_F32(writeonly restrict, 1, Partial);      // (c4, chunks, 2)

void main()
{
    uint i = linear_index();
    if (i >= pc.chunks * pc.c4)
        return;
    uint c4 = i % pc.c4, chunk = i / pc.c4, n = chunk_count(chunk);
    vec4 mean = vec4(0), m2 = vec4(0);
    if (n > 0) {
        uint at = chunk_row(chunk) * pc.c4 + c4, step = pc.lanes * pc.c4;
        vec4 pivot = LOAD(X, at), s1 = vec4(0), s2 = vec4(0);
        for (uint k = 1; k < n;) {
            vec4 t1 = vec4(0), t2 = vec4(0);
            for (uint end = min(k + BLOCK, n); k < end; k++) {
                vec4 d = LOAD(X, at + k * step) - pivot;
                t1 += d;
                t2 += d * d;
            }
            s1 += t1;
            s2 += t2;
        }
        mean = pivot + s1 / float(n);
        m2 = max(s2 - s1 * s1 / float(n), vec4(0));
    }
    STORE_F32(Partial, 2 * (c4 * pc.chunks + chunk), mean);
    STORE_F32(Partial, 2 * (c4 * pc.chunks + chunk) + 1, m2);
}
