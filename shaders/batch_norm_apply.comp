// batch_norm_apply -- y = act((x - mean) * invstd * gamma + beta + residual).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "batch_norm.glsl"
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };           // (rows, c4)
layout(binding = 1) readonly restrict buffer Mean { vec4 mean[]; };     // (c4), as the next three
layout(binding = 2) readonly restrict buffer Invstd { vec4 invstd[]; };
layout(binding = 3) readonly restrict buffer Gamma { vec4 gamma[]; };
layout(binding = 4) readonly restrict buffer Beta { vec4 beta[]; };
layout(binding = 5) readonly restrict buffer R { vec4 residual[]; };    // (rows, c4); x again without one
layout(binding = 6) writeonly restrict buffer Y { vec4 y[]; };          // (rows, c4)

void main()
{
    uint i = linear_index();
    if (i >= pc.chunks * pc.c4)
        return;
    uint c4 = i % pc.c4, chunk = i / pc.c4, n = chunk_count(chunk);
    uint at = chunk_row(chunk) * pc.c4 + c4, step = pc.lanes * pc.c4;
    vec4 m = mean[c4], scale = invstd[c4] * gamma[c4], shift = beta[c4];
    for (uint k = 0; k < n; k++, at += step) {
        vec4 v = normalize_channel(x[at], m, scale, shift);
        if (RESIDUAL == 1)
            v += residual[at];
        y[at] = activate(v);
    }
}
