//: axis nn:B_T=0 nt:B_T=1
//: axis k32:KC=32,TM=4 k64:KC=64,TM=4 k128:KC=128,TM=2
// gemm_panel -- C = A B where at most KC k are summed up, for drivers that run on a CPU and have subgroups of 8.
//
// A lane keeps its TM rows of A and walks over the columns, 4 at a time. Accumulators live for one turn of the loop
// only: those carried from turn to turn cost such drivers as much as the arithmetic (gemm_register). See pc_gemm.h for
// the operands, and gemm_register for the shuffles.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#define TEXEL 1
#define WIDE64 1
#include "load.glsl"
#include "pc_gemm.h"

layout(local_size_x = 8) in;
layout(push_constant) uniform block { vkd_pc_gemm pc; };
SOURCE(readonly restrict, 0, A);
SOURCE(readonly restrict, 1, B);
RESULT(writeonly restrict, 2, C);

vec4 b[KC / 8];     // of the KC vec4 of 4 columns of B, numbers f * 8 + lane

vec4 b_shared(uint i) { return subgroupShuffle(b[i / 8], i % 8); }

// Row k of the 4 columns.
vec4 b_row(uint k)
{
#if B_T
    uint i = k / 4 * 4;
    return vec4(b_shared(i)[k % 4], b_shared(i + 1)[k % 4], b_shared(i + 2)[k % 4], b_shared(i + 3)[k % 4]);
#else
    return b_shared(k);
#endif
}

void main()
{
    uint lane = gl_LocalInvocationID.x, tile = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    uint batch = gl_WorkGroupID.z;
    uint m0 = (tile * 8 + lane) * TM, base_b = batch * pc.stride_b, base_c = batch * pc.stride_c;
    vec4 a[TM][KC / 4];
    [[unroll]] for (uint i = 0; i < TM; i++) {
        uint row = batch * pc.stride_a + min(m0 + i, pc.m - 1) * pc.lda;
        [[unroll]] for (uint k = 0; k < KC / 4; k++) {
            bool ok = 4 * k < pc.k;
            a[i][k] = mix(vec4(0), LOAD(A, row + (ok ? k : 0)), bvec4(ok));
        }
    }
    for (uint j = 0; j < pc.ldc; j++) {
        [[unroll]] for (uint f = 0; f < KC / 8; f++) {
            uint i = f * 8 + lane;
#if B_T
            uint row = min(4 * j + i % 4, pc.n - 1);
            b[f] = LOAD(B, base_b + row * pc.ldb + min(i / 4, (pc.k - 1) / 4));
#else
            b[f] = LOAD(B, base_b + min(i, pc.k - 1) * pc.ldb + min(j, pc.ldb - 1));
#endif
        }
        vec4 acc[TM];
        [[unroll]] for (uint i = 0; i < TM; i++)
            acc[i] = vec4(0);
        [[unroll]] for (uint k = 0; k < KC; k++) {
            vec4 row = b_row(k);
            [[unroll]] for (uint i = 0; i < TM; i++)
                acc[i] += a[i][k / 4][k % 4] * row;
        }
        [[unroll]] for (uint i = 0; i < TM; i++) {
            if (m0 + i < pc.m) {
#if B_T
                acc[i] = mix(vec4(0), acc[i], lessThan(4 * j + uvec4(0, 1, 2, 3), uvec4(pc.n)));
#endif
                STORE(C, base_c + (m0 + i) * pc.ldc + j, acc[i]);
            }
        }
    }
}
