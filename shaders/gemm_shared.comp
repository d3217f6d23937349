//: axis nn:A_T=0,B_T=0,GATHER=0 nt:A_T=0,B_T=1,GATHER=0 tn:A_T=1,B_T=0,GATHER=0 tt:A_T=1,B_T=1,GATHER=0 forward:A_T=0,B_T=0,GATHER=1 dgrad:A_T=0,B_T=1,GATHER=1 wgrad:A_T=1,B_T=0,GATHER=1
//: axis buffer:HALF=0 buffer_half:HALF=1
// gemm_shared -- C = A B for GPUs: 64x64 tiles, 16 of k at a time in shared memory, 256 threads
// with 4x4 results each. See pc_gemm.h for the operands.
//
// Both tiles lie [k][row or column], so that a step of k is two reads of a vec4 and few registers are live: Intel's
// compiler then takes 16 lanes. A matrix whose vec4s run along k (A without A_T, B with B_T) is turned when it is stored.
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
#include "gemm_operands.glsl"

const uint PITCH = 17;          // vec4 per k; odd against bank conflicts
shared vec4 tile_a[16 * PITCH]; // [k][row / 4]
shared vec4 tile_b[16 * PITCH]; // [k][column / 4]

const uint OUTSIDE = ~0u;

uint t = gl_LocalInvocationID.x;
uint m0;                        // the tile's first row
uint k_begin, k_end;

// What this thread loads, in steps of 16 k: row or vec4 of rows `load_m` of A, column or vec4 of columns `load_n` of B.
#if A_T
uint load_m = t % 16, a_k = t / 16;
#else
uint load_m = t / 4, a_k = t % 4 * 4;
#endif
#if B_T
uint load_n = t / 4, b_k = t % 4 * 4;
#else
uint load_n = t % 16, b_k = t / 16;
#endif

#if GATHER
uint image, channel;
int y, x;

// n / d by its inverse, for n below 2^20: an integer division takes some twenty instructions.
uint quotient(uint n, float inverse)
{
    return uint((float(n) + 0.5) * inverse);
}

// Of image `n`; OUTSIDE when that pixel is not there.
uint pixel(uint n, uint py, uint px, uint c)
{
    return py < pc.src_h && px < pc.src_w ? ((n * pc.src_h + py) * pc.src_w + px) * pc.src_c + c : OUTSIDE;
}
#endif

#if GATHER && A_T
uint first_x, first_y;          // of k_begin

void init()
{
    uint m = m0 / 4 + load_m, tap = m / pc.src_c, row = k_begin / pc.rows_w;
    channel = m % pc.src_c;
    y = pc.base_y + int(tap / pc.taps_x) * pc.step_y;
    x = pc.base_x + int(tap % pc.taps_x) * pc.step_x;
    first_x = k_begin % pc.rows_w;
    first_y = row % pc.rows_h;
    image = row / pc.rows_h;
}

uint index_a(uint k)
{
    uint px = first_x + (k - k_begin), row = quotient(px, 1.0 / float(pc.rows_w));
    uint py = first_y + row, n = quotient(py, 1.0 / float(pc.rows_h));
    return pixel(image + n, uint(int(py - n * pc.rows_h) * pc.mul_y + y),
                 uint(int(px - row * pc.rows_w) * pc.mul_x + x), channel);
}

uint index_b(uint k, uint n)
{
    return k * pc.ldb + n;
}
#elif GATHER
void init()
{
    uint m = m0 + load_m, row = m / pc.rows_w;
    image = row / pc.rows_h;
    y = int(row % pc.rows_h) * pc.mul_y + pc.base_y;
    x = int(m % pc.rows_w) * pc.mul_x + pc.base_x;
}

// The filter's tap (v, u) and the vec4 of channels that k stands for.
void tap_of(uint k, out uint v, out uint u, out uint c)
{
    uint tap = quotient(k / 4, 1.0 / float(pc.src_c));
    v = quotient(tap, 1.0 / float(pc.taps_x));
    u = tap - v * pc.taps_x;
    c = k / 4 - tap * pc.src_c;
}

uint index_a(uint k)
{
    uint v, u, c;
    tap_of(k, v, u, c);
    return pixel(image, uint(y + int(v) * pc.step_y), uint(x + int(u) * pc.step_x), c);
}

uint index_b(uint k, uint n)
{
    uint v, u, c;
    tap_of(k, v, u, c);
    uint base = (pc.tap0 + v * pc.tap_dy + u * pc.tap_dx) * pc.tap_stride;
    return base + (B_T != 0 ? n * pc.ldb + c : (c * 4 + k % 4) * pc.ldb + n);
}
#else
void init()
{
}

uint index_a(uint k)
{
    return gl_WorkGroupID.z % pc.batch * pc.stride_a
         + (A_T != 0 ? k * pc.lda + m0 / 4 + load_m : (m0 + load_m) * pc.lda + k / 4);
}

uint index_b(uint k, uint n)
{
    return gl_WorkGroupID.z % pc.batch * pc.stride_b + (B_T != 0 ? n * pc.ldb + k / 4 : k * pc.ldb + n);
}
#endif

// Of A at `load_m`.
vec4 load_a(uint k)
{
    uint i = k < k_end && m0 + load_m * (A_T != 0 ? 4 : 1) < pc.m ? index_a(k) : OUTSIDE;
    vec4 value = vec4(0);
    if (i != OUTSIDE)
        value = LOAD(A, i);
    return value;
}

// Of B: n counts columns with B_T, else vec4 of them.
vec4 load_b(uint k, uint n)
{
    uint i = k < k_end && n < (B_T != 0 ? pc.n : pc.ldb) ? index_b(k, n) : OUTSIDE;
    vec4 value = vec4(0);
    if (i != OUTSIDE)
        value = LOAD_B(i);
    return value;
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

void store_tiles(vec4 a, vec4 b)
{
#if A_T
    tile_a[a_k * PITCH + load_m] = a;
#else
    [[unroll]] for (uint i = 0; i < 4; i++)
        tile_a[(a_k + i) * PITCH + load_m / 4][load_m % 4] = a[i];
#endif
#if B_T
    [[unroll]] for (uint i = 0; i < 4; i++)
        tile_b[(b_k + i) * PITCH + load_n / 4][load_n % 4] = b[i];
#else
    tile_b[b_k * PITCH + load_n] = b;
#endif
}

void main()
{
    uint tile = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    uint tx = t % 16, ty = t / 16;
    m0 = tile / pc.tiles_n * 64;
    uint n0 = tile % pc.tiles_n * 16;   // in vec4
    if (m0 >= pc.m)
        return;
    k_range();
    init();
    vec4 acc[4] = vec4[4](vec4(0), vec4(0), vec4(0), vec4(0));
    for (uint k = k_begin; k < k_end; k += 16) {
        store_tiles(load_a(k + a_k), load_b(k + b_k, n0 * (B_T != 0 ? 4 : 1) + load_n));
        barrier();
        [[dont_unroll]] for (uint at = 0; at < 16 * PITCH; at += 8 * PITCH) {
            [[unroll]] for (uint i = 0; i < 8 * PITCH; i += PITCH) {
                vec4 a = tile_a[at + i + ty], b = tile_b[at + i + tx];
                [[unroll]] for (uint row = 0; row < 4; row++)
                    acc[row] += a[row] * b;
            }
        }
        barrier();
    }
    uint n = n0 + tx;
    bvec4 there = lessThan(n * 4 + uvec4(0, 1, 2, 3), uvec4(pc.n));
    [[unroll]] for (uint i = 0; i < 4; i++) {
        uint m = m0 + ty * 4 + i;
        if (m < pc.m && n < pc.ldc)
            store_c(c_row(m) + n, mix(vec4(0), acc[i], there));
    }
}
