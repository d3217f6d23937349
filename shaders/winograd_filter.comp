//: axis forward:GRADIENT=0 gradient:GRADIENT=1
//: axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1
// winograd_filter -- U(36, C, K) = G g G^T of a filter (3, 3, C, K), or the filter's gradient
// G^T m G of the products M(36, C, K), which are first summed over parts of the images.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "load.glsl"
#include "pc_winograd.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_winograd pc; };
#if TEXEL || !GRADIENT
#define T vec4
SOURCE_F32(readonly restrict, 0, A);
RESULT_F32(writeonly restrict, 1, Result);
#define LOAD_A(i) LOAD_F32(A, i)
#define STORE_RESULT(i, v) STORE_F32(Result, i, v)
#else
#define T vec2      // a vec4 takes so many registers that some GPUs spill
layout(binding = 0) readonly restrict buffer A_ { T A[]; };
layout(binding = 1) writeonly restrict buffer Result_ { T Result[]; };
#define LOAD_A(i) A[i]
#define STORE_RESULT(i, v) Result[i] = v
#endif
#include "winograd.glsl"

#if GRADIENT
const uint FROM = 6, TO = 3;
#define APPLY apply_gt
#else
const uint FROM = 3, TO = 6;
#define APPLY apply_g
#endif

#if GRADIENT
T part(uint p, uint at, uint i) { return LOAD_A(p * pc.part_stride + at * pc.count + i); }
#else
T part(uint p, uint at, uint i) { return LOAD_A((pc.flip != 0 ? 8 - at : at) * pc.count + i); }
#endif

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.count)
        return;
#if TEXEL
    // CPU drivers keep arrays in registers only where no loop is inside those that go over them.
    T sums[FROM * FROM];
    [[unroll]] for (uint at = 0; at < FROM * FROM; at++)
        sums[at] = part(0, at, i);
    for (uint p = 1; p < pc.parts; p++)
        [[unroll]] for (uint at = 0; at < FROM * FROM; at++)
            sums[at] += part(p, at, i);
#endif
    T rows[FROM][TO];
    [[unroll]] for (uint y = 0; y < FROM; y++) {
        T d[FROM];
        [[unroll]] for (uint x = 0; x < FROM; x++) {
#if TEXEL
            d[x] = sums[y * FROM + x];
#else
            d[x] = part(0, y * FROM + x, i);
            for (uint p = 1; p < pc.parts; p++)
                d[x] += part(p, y * FROM + x, i);
#endif
        }
        APPLY(d, rows[y]);
    }
    [[unroll]] for (uint x = 0; x < TO; x++) {
        T d[FROM], t[TO];
        [[unroll]] for (uint y = 0; y < FROM; y++)
            d[y] = rows[y][x];
        APPLY(d, t);
        [[unroll]] for (uint y = 0; y < TO; y++)
            STORE_RESULT((y * TO + x) * pc.count + i, t[y]);
    }
}
