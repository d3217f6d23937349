// mse_back -- dx = 2 (x - t) * scale * dloss, dt = -dx.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "loss.glsl"
layout(constant_id = 0) const uint WANT_X = 1;
layout(constant_id = 1) const uint WANT_T = 1;
layout(binding = 0) readonly restrict buffer DLoss { float dloss; };
layout(binding = 1) readonly restrict buffer X { vec4 x[]; };
layout(binding = 2) readonly restrict buffer T { vec4 target[]; };
layout(binding = 3) writeonly buffer DX { vec4 dx[]; };     // one of these two may stand in for the other,
layout(binding = 4) writeonly buffer DT { vec4 dt[]; };     // unwritten

void main()
{
    float scale = 2 * pc.scale * dloss;
    for (uint k = 0; k < 4; k++) {
        uint i = element_index(k);
        if (i >= pc.count)
            return;
        vec4 d = (x[i] - target[i]) * scale;
        if (WANT_X == 1)
            dx[i] = d;
        if (WANT_T == 1)
            dt[i] = -d;
    }
}
