//: axis texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer:TEXEL=0 texel_half:TEXEL=1,HALF=1 buffer_half:TEXEL=0,HALF=1
// winograd_output -- the 4x4 results A^T m A of each tile of M(36, tiles, K), cut at the image's edge.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "load.glsl"
#include "pc_winograd.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_winograd pc; };
#if TEXEL
SOURCE_F32(readonly restrict, 0, M);
#define LOAD_M(i) LOAD_F32(M, i)
#define T vec4
RESULT(writeonly restrict, 1, Y);
#define STORE_Y(i, v) STORE(Y, i, v)
#else
#define T vec2      // a vec4 takes so many registers that some GPUs spill
layout(binding = 0) readonly restrict buffer M_ { T M[]; };
#define LOAD_M(i) M[i]
#if HALF
layout(binding = 1) writeonly restrict buffer Y_ { uint Y[]; };
#define STORE_Y(i, v) Y[i] = pack(vec4(v, 0, 0)).x
#else
layout(binding = 1) writeonly restrict buffer Y_ { T Y[]; };
#define STORE_Y(i, v) Y[i] = v
#endif
#endif
#include "winograd.glsl"

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.count)
        return;
    uint c = i % pc.c, tile = i / pc.c;
    uint y0 = tile / pc.tiles_x % pc.tiles_y * 4, x0 = tile % pc.tiles_x * 4;
    uint image = tile / pc.tiles_x / pc.tiles_y * pc.h;
    T rows[6][4];
    [[unroll]] for (uint y = 0; y < 6; y++) {
        T m[6];
        [[unroll]] for (uint x = 0; x < 6; x++)
            m[x] = LOAD_M((y * 6 + x) * pc.count + i);
        apply_at(m, rows[y]);
    }
    [[unroll]] for (uint x = 0; x < 4; x++) {
        T m[6], t[4];
        [[unroll]] for (uint y = 0; y < 6; y++)
            m[y] = rows[y][x];
        apply_at(m, t);
        [[unroll]] for (uint y = 0; y < 4; y++)
            if (y0 + y < pc.h && x0 + x < pc.w)
                STORE_Y(((image + y0 + y) * pc.w + x0 + x) * pc.c + c, t[y]);
    }
}
