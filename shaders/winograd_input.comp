//: axis image:GRADIENT=0 gradient:GRADIENT=1
//: axis texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer:TEXEL=0 texel_half:TEXEL=1,HALF=1 buffer_half:TEXEL=0,HALF=1
// winograd_input -- V(36, tiles, C) = B^T d B of each 6x6 tile of an image, or A dy A^T of each 4x4
// tile of a gradient. Outside the image there are zeros.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "load.glsl"
#include "pc_winograd.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_winograd pc; };
#if TEXEL
SOURCE(readonly restrict, 0, X);
#define LOAD_X(i) LOAD(X, i)
RESULT_F32(writeonly restrict, 1, V);
#define STORE_V(i, v) STORE_F32(V, i, v)
#define T vec4
#define T_BOOL bvec4
#else
#define T vec2      // a vec4 takes so many registers that some GPUs spill
#define T_BOOL bvec2
layout(binding = 1) writeonly restrict buffer V_ { T V[]; };
#define STORE_V(i, v) V[i] = v
#if HALF
layout(binding = 0) readonly restrict buffer X_ { uint X[]; };
#define LOAD_X(i) unpack(X[i])
#else
layout(binding = 0) readonly restrict buffer X_ { T X[]; };
#define LOAD_X(i) X[i]
#endif
#endif
#include "winograd.glsl"

#if GRADIENT
const uint SIDE = 4;
#define APPLY apply_a
#else
const uint SIDE = 6;
#define APPLY apply_bt
#endif

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.count)
        return;
    uint c = i % pc.c, tile = i / pc.c;
    uint y0 = tile / pc.tiles_x % pc.tiles_y * 4 + pc.ofs_y, x0 = tile % pc.tiles_x * 4 + pc.ofs_x;
    uint image = tile / pc.tiles_x / pc.tiles_y * pc.h;
    T rows[SIDE][6];
    [[unroll]] for (uint y = 0; y < SIDE; y++) {
        T d[SIDE];
        [[unroll]] for (uint x = 0; x < SIDE; x++) {
            bool ok = y0 + y < pc.h && x0 + x < pc.w;
            d[x] = mix(T(0), LOAD_X(ok ? ((image + y0 + y) * pc.w + x0 + x) * pc.c + c : 0), T_BOOL(ok));
        }
        APPLY(d, rows[y]);
    }
    [[unroll]] for (uint x = 0; x < 6; x++) {
        T d[SIDE], t[6];
        [[unroll]] for (uint y = 0; y < SIDE; y++)
            d[y] = rows[y][x];
        APPLY(d, t);
        [[unroll]] for (uint y = 0; y < 6; y++)
            STORE_V((y * 6 + x) * pc.count + i, t[y]);
    }
}
