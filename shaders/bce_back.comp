// bce_back -- dx = (sigmoid(x) - t) * scale * dloss.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "loss.glsl"
layout(binding = 0) readonly restrict buffer DLoss { float dloss; };
layout(binding = 1) readonly restrict buffer X { vec4 x[]; };
layout(binding = 2) readonly restrict buffer T { vec4 target[]; };
layout(binding = 3) writeonly restrict buffer DX { vec4 dx[]; };

void main()
{
    float scale = pc.scale * dloss;
    for (uint k = 0; k < 4; k++) {
        uint i = element_index(k);
        if (i >= pc.count)
            return;
        vec4 v = x[i];
        vec4 sigmoid = 1 / (1 + exp(-mix(v, sign(v) * 87, greaterThan(abs(v), vec4(87)))));
        dx[i] = mix(vec4(0), (sigmoid - target[i]) * scale, is_channel(i));
    }
}
