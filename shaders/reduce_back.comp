// reduce_back -- dx = scale * dy, repeated along the reduced dimensions; padding stays 0.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "pc_reduce.h"
layout(push_constant) uniform Block { vkd_pc_reduce_back pc; };
layout(binding = 0) readonly restrict buffer DY { vec4 dy[]; };
layout(binding = 1) writeonly restrict buffer DX { vec4 dx[]; };    // (count)

void main()
{
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k), col = i % pc.d[3], row = i / pc.d[3];
        if (i >= pc.count)
            return;
        uint at = row / pc.d[2] / pc.d[1] * pc.stride[0] + row / pc.d[2] % pc.d[1] * pc.stride[1] +
                  row % pc.d[2] * pc.stride[2] + col * pc.stride[3];
        vec4 v = dy[at];
        if (pc.across != 0)
            v = mix(vec4(v.x), vec4(0), greaterThanEqual(4 * col + uvec4(0, 1, 2, 3), uvec4(pc.c)));
        dx[i] = v * pc.scale;
    }
}
