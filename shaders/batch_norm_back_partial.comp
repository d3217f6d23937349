// batch_norm_back_partial -- sums over each chunk of rows of g and g * (x - mean), g = dy masked by y.
// Without a residual, y is found again from x, which is read anyway.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "batch_norm.glsl"
layout(binding = 0) readonly restrict buffer DY { vec4 dy[]; };         // (rows, c4)
layout(binding = 1) readonly restrict buffer Y { vec4 y[]; };           // (rows, c4); read with a residual and activation
layout(binding = 2) readonly restrict buffer X { vec4 x[]; };           // (rows, c4)
layout(binding = 3) readonly restrict buffer Mean { vec4 mean[]; };     // (c4), as the next three
layout(binding = 4) readonly restrict buffer Invstd { vec4 invstd[]; };
layout(binding = 5) readonly restrict buffer Gamma { vec4 gamma[]; };
layout(binding = 6) readonly restrict buffer Beta { vec4 beta[]; };
layout(binding = 7) writeonly restrict buffer Partial { vec4 partial[]; };      // (c4, chunks, 2)

void main()
{
    uint i = linear_index();
    if (i >= pc.chunks * pc.c4)
        return;
    uint c4 = i % pc.c4, chunk = i / pc.c4, n = chunk_count(chunk);
    uint at = chunk_row(chunk) * pc.c4 + c4, step = pc.lanes * pc.c4;
    vec4 m = mean[c4], scale = invstd[c4] * gamma[c4], shift = beta[c4], sum = vec4(0), dot = vec4(0);
    for (uint k = 0; k < n; k++, at += step) {
        vec4 g = dy[at], v = x[at];
        if (ACTIVATION > 0)
            g = mask(g, RESIDUAL == 1 ? y[at] : normalize_channel(v, m, scale, shift));
        sum += g;
        dot += g * (v - m);
    }
    partial[2 * (c4 * pc.chunks + chunk)] = sum;
    partial[2 * (c4 * pc.chunks + chunk) + 1] = dot;
}
