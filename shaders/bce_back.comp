// bce_back -- dx = (sigmoid(x) - t) * weight * dloss, 0 where the target is unknown. Weighted:
// dx = (1 - t - (1 + (w - 1) t) sigmoid(-x)) * weight * dloss.
//: axis plain:WEIGHTED=0 weighted:WEIGHTED=1
#version 450
#extension GL_GOOGLE_include_directive : require
#include "loss.glsl"
#include "nan.glsl"
layout(binding = 0) readonly restrict buffer DLoss { float dloss; };
layout(binding = 1) readonly restrict buffer X { vec4 x[]; };
layout(binding = 2) readonly restrict buffer T { vec4 target[]; };
#if WEIGHTED
layout(binding = 3) readonly restrict buffer Weights { vec4 weights[]; };      // (c4)
#endif
layout(binding = 3 + WEIGHTED) readonly restrict buffer Weight { float weight; };
layout(binding = 4 + WEIGHTED) writeonly restrict buffer DX { vec4 dx[]; };

void main()
{
    float scale = weight * dloss;
    for (uint k = 0; k < 4; k++) {
        uint i = element_index(k);
        if (i >= pc.count)
            return;
        vec4 v = x[i], t = target[i], e = exp_down(-abs(v));
#if WEIGHTED
        vec4 miss = mix(vec4(1), e, greaterThan(v, vec4(0))) / (1 + e);     // sigmoid(-x)
        vec4 slope = 1 - t - (1 + (weights[i % pc.c4] - 1) * t) * miss;
#else
        vec4 slope = mix(e, vec4(1), greaterThan(v, vec4(0))) / (1 + e) - t;
#endif
        vec4 d = mix(slope * scale, vec4(0), lessThan(t, vec4(0)));
        dx[i] = mix(vec4(0), d, is_channel(i));
    }
}
