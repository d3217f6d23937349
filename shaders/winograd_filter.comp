//: axis forward:GRADIENT=0 gradient:GRADIENT=1
// winograd_filter -- U(36, C, K) = G g G^T of a filter (3, 3, C, K), or the filter's gradient
// G^T m G of the products M(36, C, K), which are first summed over parts of the images.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "pc_winograd.h"
#define T vec4
#include "winograd.glsl"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_winograd pc; };
layout(binding = 0) readonly restrict buffer A_ { vec4 A[]; };
layout(binding = 1) writeonly restrict buffer RESULT { vec4 result[]; };

#if GRADIENT
const uint FROM = 6, TO = 3;
#define APPLY apply_gt
#else
const uint FROM = 3, TO = 6;
#define APPLY apply_g
#endif

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.count)
        return;
    vec4 rows[FROM][TO];
    [[unroll]] for (uint y = 0; y < FROM; y++) {
        vec4 d[FROM];
        [[unroll]] for (uint x = 0; x < FROM; x++) {
            uint at = y * FROM + x;
#if GRADIENT
            d[x] = vec4(0);
            for (uint p = 0; p < pc.parts; p++)
                d[x] += A[p * pc.part_stride + at * pc.count + i];
#else
            d[x] = A[(pc.flip != 0 ? 8 - at : at) * pc.count + i];
#endif
        }
        APPLY(d, rows[y]);
    }
    [[unroll]] for (uint x = 0; x < TO; x++) {
        vec4 d[FROM], t[TO];
        [[unroll]] for (uint y = 0; y < FROM; y++)
            d[y] = rows[y][x];
        APPLY(d, t);
        [[unroll]] for (uint y = 0; y < TO; y++)
            result[(y * TO + x) * pc.count + i] = t[y];
    }
}
