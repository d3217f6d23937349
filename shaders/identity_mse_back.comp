// identity_mse_back -- dx = 2 scale dloss (on (x - 1) on the diagonal, off x elsewhere).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "loss.glsl"
layout(binding = 0) readonly restrict buffer DLoss { float dloss; };
layout(binding = 1) readonly restrict buffer X { vec4 x[]; };       // (c, c4)
layout(binding = 2) writeonly restrict buffer DX { vec4 dx[]; };    // (c, c4)

void main()
{
    float scale = 2 * pc.scale * dloss;
    for (uint k = 0; k < 4; k++) {
        uint i = element_index(k);
        if (i >= pc.count)
            return;
        bvec4 diagonal = equal(4 * (i % pc.c4) + uvec4(0, 1, 2, 3), uvec4(i / pc.c4));
        dx[i] = scale * mix(pc.off * x[i], pc.on * (x[i] - 1), diagonal);
    }
}
