// optim_chunk_norms -- per chunk: (sum of g^2, sum of p^2); the second only where it is needed.
// Chunks that stay as they are in this step count as 0: their gradients may be stale.
//
//: axis g:WITH_P=0 gp:WITH_P=1
#version 450
#include "optim_window.h"
#include "optim_reduce.h"

layout(std430, binding = 2) writeonly restrict buffer Partials { vec2 partials[]; };
layout(std430, binding = 3) readonly restrict buffer G { vec4 g[]; };
#if WITH_P
layout(std430, binding = 4) readonly restrict buffer P { vec4 p[]; };
#endif

void main()
{
    vkd_optim_chunk c = this_chunk();
    vec2 sum = vec2(0.0);
    c.quad_count = rate_of(c) == 0.0 ? 0u : c.quad_count;
    VKD_FOR_QUADS(i, c) {
        vec4 x = g[i];
        sum.x += dot(x, x);
#if WITH_P
        vec4 y = p[i];
        sum.y += dot(y, y);
#endif
    }
    sum = reduce_workgroup(sum);
    if (gl_LocalInvocationID.x == 0u)
        partials[pc.chunk + gl_WorkGroupID.x] = sum;
}
