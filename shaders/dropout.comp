// dropout -- y = x m / (1 - p), m is 0 with probability p. Backward is the same kernel on dy: the mask is
// not stored but drawn again. A product, not a choice, so that a NaN cannot be dropped.
#version 450
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "load.glsl"
#include "pc_elementwise.h"
#include "philox.h"
#include "step_block.h"
layout(push_constant) uniform Block { vkd_pc_elementwise pc; };
SOURCE(readonly, 0, X);         // (count)
layout(binding = 1) readonly buffer Step { vkd_step_block step_block; };
RESULT(writeonly, 2, Y);        // (count); may lie on x

void main()
{
    vec4 v[4];
    float up = 1 / (1 - pc.alpha);
    uvec2 seed = uvec2(step_block.seed[0], step_block.seed[1]);
    for (uint k = 0; k < 4; k++) {
        uint i = min(linear_item(k), pc.count - 1);
        uvec4 word = vkd_philox(uvec4(VKD_STREAM_DROPOUT | pc.stream << 8, pc.first + i, step_block.step,
                                      step_block.micro), seed);
        vec4 u = vec4(vkd_uniform(word.x), vkd_uniform(word.y), vkd_uniform(word.z), vkd_uniform(word.w));
        v[k] = LOAD(X, i) * mix(vec4(up), vec4(0), lessThan(u, vec4(pc.alpha)));
    }
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k);
        if (i < pc.count)
            STORE(Y, i, v[k]);
    }
}
