// map.glsl -- y = map(a) or y = map(a, b) for every vec4. INPUTS is 1 or 2; the including file defines map.
// y may lie on an input, so nothing is `restrict`.
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "load.glsl"
#include "pc_elementwise.h"
layout(push_constant) uniform Block { vkd_pc_elementwise pc; };
SOURCE(readonly, 0, A);         // (count)
#if INPUTS == 2
SOURCE(readonly, 1, B);         // (count)
#endif
RESULT(writeonly, INPUTS, Y);   // (count)

#if INPUTS == 2
vec4 map(vec4 a, vec4 b);
#else
vec4 map(vec4 a);
#endif

void main()
{
    // All loads before all stores, so that they overlap.
    vec4 v[4];
    for (uint k = 0; k < 4; k++) {
        uint i = min(linear_item(k), pc.count - 1);
#if INPUTS == 2
        v[k] = map(LOAD(A, i), LOAD(B, i));
#else
        v[k] = map(LOAD(A, i));
#endif
    }
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k);
        if (i < pc.count)
            STORE(Y, i, v[k]);
    }
}
