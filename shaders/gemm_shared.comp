//: axis nn:A_T=0,B_T=0,GATHER=0 nt:A_T=0,B_T=1,GATHER=0 tn:A_T=1,B_T=0,GATHER=0 tt:A_T=1,B_T=1,GATHER=0 forward:A_T=0,B_T=0,GATHER=1 dgrad:A_T=0,B_T=1,GATHER=1 wgrad:A_T=1,B_T=0,GATHER=1
// gemm_shared -- C = A B for GPUs: 64x64 tiles, 16 of k at a time in shared memory, 256 threads
// with 4x4 results each. See pc_gemm.h for the operands.
//
// Tiles keep the direction of their matrix: a vec4 runs along k, or with A_T along rows, and without
// B_T along columns. With B_T a thread's columns are 16 apart, so that its reads meet no bank conflict.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "pc_gemm.h"

layout(local_size_x = 256) in;
#if GATHER
layout(push_constant) uniform block { vkd_pc_gather pc; };
#else
layout(push_constant) uniform block { vkd_pc_gemm pc; };
#endif
layout(binding = 0) readonly restrict buffer A_ { vec4 A[]; };
layout(binding = 1) readonly restrict buffer B_ { vec4 B[]; };
#if B_T
layout(binding = 2) writeonly restrict buffer C_ { float C[]; };
#else
layout(binding = 2) writeonly restrict buffer C_ { vec4 C[]; };
#endif

const uint PITCH = 5;           // vec4 per row of 16 k; odd against bank conflicts
shared vec4 tile_a[64 * PITCH]; // [row][k / 4], or with A_T [k][row / 4]
shared vec4 tile_b[64 * PITCH]; // with B_T [column][k / 4], else [k][column / 4]

uint t = gl_LocalInvocationID.x;
uint m0, n0;                    // first row and first vec4 column of the tile
uint k_begin, k_end;

// What this thread loads of A: row or vec4 of rows `load_m`, k from `load_k` on in steps of 16.
#if A_T
uint load_m = t % 16, load_k = t / 16;
#else
uint load_m = t / 4, load_k = t % 4 * 4;
#endif

#if GATHER
uint image, channel;
int y, x;

void gather_init()
{
#if A_T
    uint m = min(m0 / 4 + load_m, pc.m / 4 - 1), tap = m / pc.src_c;
    channel = m % pc.src_c;
    y = pc.base_y + int(tap / pc.taps_x) * pc.step_y;
    x = pc.base_x + int(tap % pc.taps_x) * pc.step_x;
#else
    uint m = min(m0 + load_m, pc.m - 1), row = m / pc.rows_w;
    image = row / pc.rows_h;
    y = int(row % pc.rows_h) * pc.mul_y + pc.base_y;
    x = int(m % pc.rows_w) * pc.mul_x + pc.base_x;
#endif
}

vec4 pixel(uint n, uint py, uint px, uint c)
{
    return py < pc.src_h && px < pc.src_w ? A[((n * pc.src_h + py) * pc.src_w + px) * pc.src_c + c] : vec4(0);
}
#endif

vec4 load_a(uint k)
{
    if (k >= k_end)
        return vec4(0);
#if !GATHER && A_T
    return A[gl_WorkGroupID.z % pc.batch * pc.stride_a + k * pc.lda + min(m0 / 4 + load_m, pc.lda - 1)];
#elif !GATHER
    return A[gl_WorkGroupID.z % pc.batch * pc.stride_a + min(m0 + load_m, pc.m - 1) * pc.lda + k / 4];
#elif A_T
    uint row = k / pc.rows_w;
    return pixel(row / pc.rows_h, uint(int(row % pc.rows_h) * pc.mul_y + y),
                 uint(int(k % pc.rows_w) * pc.mul_x + x), channel);
#else
    uint tap = k / 4 / pc.src_c;
    return pixel(image, uint(y + int(tap / pc.taps_x) * pc.step_y), uint(x + int(tap % pc.taps_x) * pc.step_x),
                 k / 4 % pc.src_c);
#endif
}

vec4 load_b(uint k0)
{
#if B_T
    uint k = k0 + t % 4 * 4, n = min(n0 * 4 + t / 4, pc.n - 1);
#else
    uint k = k0 + t / 16, n = min(n0 + t % 16, pc.ldb - 1);
#endif
    if (k >= k_end)
        return vec4(0);
#if !GATHER && B_T
    return B[gl_WorkGroupID.z % pc.batch * pc.stride_b + n * pc.ldb + k / 4];
#elif !GATHER
    return B[gl_WorkGroupID.z % pc.batch * pc.stride_b + k * pc.ldb + n];
#elif A_T
    return B[k * pc.ldb + n];
#else
    uint tap = k / 4 / pc.src_c, in_tap = k - tap * pc.src_c * 4;
    uint base = (pc.tap0 + tap / pc.taps_x * pc.tap_dy + tap % pc.taps_x * pc.tap_dx) * pc.tap_stride;
#if B_T
    return B[base + n * pc.ldb + in_tap / 4];
#else
    return B[base + in_tap * pc.ldb + n];
#endif
#endif
}

// Where row m of C begins, in vec4.
uint c_row(uint m)
{
#if GATHER && !A_T
    uint row = m / pc.rows_w, n = row / pc.rows_h;
    uint oy = row % pc.rows_h * (pc.out_mul & 0xffff) + (pc.out_base & 0xffff);
    uint ox = m % pc.rows_w * (pc.out_mul >> 16) + (pc.out_base >> 16);
    return ((n * pc.out_h + oy) * pc.out_w + ox) * pc.ldc;
#else
    return gl_WorkGroupID.z * pc.stride_c + m * pc.ldc;
#endif
}

void k_range()
{
#if GATHER && A_T
    k_begin = gl_WorkGroupID.z * pc.split;
    k_end = min(k_begin + pc.split, pc.k);
#elif GATHER
    k_begin = 0;
    k_end = pc.taps_y * pc.taps_x * pc.src_c * 4;
#else
    k_begin = gl_WorkGroupID.z / pc.batch * pc.split;
    k_end = min(k_begin + pc.split, pc.k);
#endif
}

void main()
{
    uint tile = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    uint tx = t % 16, ty = t / 16;
    m0 = tile / pc.tiles_n * 64;
    n0 = tile % pc.tiles_n * 16;
    if (m0 >= pc.m)
        return;
    k_range();
#if GATHER
    gather_init();
#endif
    vec4 acc[4] = vec4[4](vec4(0), vec4(0), vec4(0), vec4(0));
    for (uint k0 = k_begin; k0 < k_end; k0 += 16) {
        tile_a[A_T != 0 ? t : load_m * PITCH + t % 4] = load_a(k0 + load_k);
        tile_b[B_T != 0 ? t / 4 * PITCH + t % 4 : t] = load_b(k0);
        barrier();
        [[unroll]] for (uint k = 0; k < 4; k++) {
            vec4 a[4], b[4];
            [[unroll]] for (uint i = 0; i < 4; i++) {
                a[i] = tile_a[A_T != 0 ? (k * 4 + i) * 16 + ty : (ty * 4 + i) * PITCH + k];
                b[i] = tile_b[B_T != 0 ? (i * 16 + tx) * PITCH + k : (k * 4 + i) * 16 + tx];
            }
            [[unroll]] for (uint q = 0; q < 4; q++) {
                vec4 row = B_T != 0 ? vec4(b[0][q], b[1][q], b[2][q], b[3][q]) : b[q];
                [[unroll]] for (uint i = 0; i < 4; i++)
                    acc[i] += (A_T != 0 ? a[q][i] : a[i][q]) * row;
            }
        }
        barrier();
    }
    [[unroll]] for (uint i = 0; i < 4; i++) {
        uint m = m0 + ty * 4 + i, row = c_row(m);
#if B_T
        [[unroll]] for (uint j = 0; j < 4; j++) {
            uint n = n0 * 4 + j * 16 + tx;
            if (m < pc.m && n < pc.ldc * 4)
                C[row * 4 + n] = n < pc.n ? acc[i][j] : 0;
        }
#else
        if (m < pc.m && n0 + tx < pc.ldc)
            C[row + n0 + tx] = acc[i];
#endif
    }
}
