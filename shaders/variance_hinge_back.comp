// variance_hinge_back -- dv = -scale dloss / (2 sqrt(v + eps)) where that root is below 1.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "loss.glsl"
layout(binding = 0) readonly restrict buffer DLoss { float dloss; };
layout(binding = 1) readonly restrict buffer V { vec4 v[]; };
layout(binding = 2) writeonly restrict buffer DV { vec4 dv[]; };

void main()
{
    for (uint k = 0; k < 4; k++) {
        uint i = element_index(k);
        if (i >= pc.count)
            return;
        vec4 root = sqrt(v[i] + pc.eps);
        vec4 d = mix(-0.5 * pc.scale * dloss / root, vec4(0), greaterThanEqual(root, vec4(1)));
        dv[i] = mix(vec4(0), d, is_channel(i));
    }
}
