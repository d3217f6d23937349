// bce_back -- dx = (sigmoid(x) - t) * weight * dloss, 0 where the target is unknown.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "loss.glsl"
#include "nan.glsl"
layout(binding = 0) readonly restrict buffer DLoss { float dloss; };
layout(binding = 1) readonly restrict buffer X { vec4 x[]; };
layout(binding = 2) readonly restrict buffer T { vec4 target[]; };
layout(binding = 3) readonly restrict buffer Weight { float weight; };
layout(binding = 4) writeonly restrict buffer DX { vec4 dx[]; };

void main()
{
    float scale = weight * dloss;
    for (uint k = 0; k < 4; k++) {
        uint i = element_index(k);
        if (i >= pc.count)
            return;
        vec4 v = x[i], t = target[i], e = exp_down(-abs(v));
        vec4 sigmoid = mix(e, vec4(1), greaterThan(v, vec4(0))) / (1 + e);
        vec4 d = mix((sigmoid - t) * scale, vec4(0), lessThan(t, vec4(0)));
        dx[i] = mix(vec4(0), d, is_channel(i));
    }
}
