//: axis nn:A_T=0,B_T=0,GATHER=0 nt:A_T=0,B_T=1,GATHER=0 tn:A_T=1,B_T=0,GATHER=0 tt:A_T=1,B_T=1,GATHER=0 forward:A_T=0,B_T=0,GATHER=1 dgrad:A_T=0,B_T=1,GATHER=1 wgrad:A_T=1,B_T=0,GATHER=1
//: axis m4n16:TM=4,TN=4,TEXEL=1 wide:TM=4,TN=4,TEXEL=1,WIDE64=1 m8n8:TM=8,TN=2,TEXEL=1 plain:TM=4,TN=2,TEXEL=0 m4n16_half:TM=4,TN=4,TEXEL=1,HALF=1 m8n8_half:TM=8,TN=2,TEXEL=1,HALF=1 plain_half:TM=4,TN=2,TEXEL=0,HALF=1
// gemm_register -- C = A B in register tiles without shared memory, for drivers that run on a CPU.
//
// A lane owns TM rows and 4 TN columns; the 8 lanes of a workgroup own the same columns. In the
// texel variants a workgroup is one subgroup of 8: each lane loads another vec4 of B and passes it
// on by shuffle, which costs a sixth of a load. See pc_gemm.h for the operands.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#if TEXEL
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "pc_gemm.h"

layout(local_size_x = 8) in;
#if GATHER
layout(push_constant) uniform block { vkd_pc_gather pc; };
#else
layout(push_constant) uniform block { vkd_pc_gemm pc; };
#endif
#include "gemm_operands.glsl"

#define LOAD_A_IF(ok, i) mix(vec4(0), LOAD(A, (ok) ? (i) : 0), bvec4(ok))

// Rounds of 4 k; of 8 where that saves more turns of the loop than it costs registers.
#if TEXEL && A_T && !GATHER && !HALF
const uint KQ = 2;
#else
const uint KQ = 1;
#endif
const uint KS = 4 * KQ;

vec4 acc[TM][TN];
vec4 a[TM * KQ];            // q * TM + i: 4 k of row i along k, or with A_T TM/4 vec4 along the rows per k
#if TEXEL
vec4 b[TN * KQ / 2];        // vec4 f * 8 + lane of the round's B
#else
vec4 b[4 * TN * KQ];
#endif

uint lane = gl_LocalInvocationID.x;
uint m0, n0;                // first row of the lane, first vec4 column of the tile

// The number of b[f] among the vec4 of a round.
uint b_number(uint f)
{
#if TEXEL
    return f * 8 + lane;
#else
    return f;
#endif
}

// Vec4 number i of B, wherever it is.
vec4 b_shared(uint i)
{
#if TEXEL
    return subgroupShuffle(b[i / 8], i % 8);
#else
    return b[i];
#endif
}

// Columns 4 j ... 4 j + 3 of row k of the round's B.
vec4 b_at(uint k, uint j)
{
#if B_T
    uint first = (k / 4 * TN + j) * 4;
    return vec4(b_shared(first)[k % 4], b_shared(first + 1)[k % 4], b_shared(first + 2)[k % 4], b_shared(first + 3)[k % 4]);
#else
    return b_shared(k * TN + j);
#endif
}

// Each accumulator takes all of a round before the next one does: it then stays in a register meanwhile.
void multiply()
{
    [[unroll]] for (uint j = 0; j < TN; j++) {
        [[unroll]] for (uint k = 0; k < KS; k++) {
            vec4 col = b_at(k, j);
            [[unroll]] for (uint i = 0; i < TM; i++)
#if A_T
                acc[i][j] += a[k * (TM / 4) + i / 4][i % 4] * col;
#else
                acc[i][j] += a[k / 4 * TM + i][k % 4] * col;
#endif
        }
    }
}

uint b_col[b.length()];     // offset of b[f] from the first row or column of a tile of B

void init_b()
{
    [[unroll]] for (uint f = 0; f < b.length(); f++) {
#if B_T
        b_col[f] = min(n0 * 4 + b_number(f) % (4 * TN), pc.n - 1) * pc.ldb;
#else
        b_col[f] = min(n0 + b_number(f) % TN, pc.ldb - 1);
#endif
    }
}

// Loads the rows of B from k on that a round takes (B_T: vec4 k/4 of its rows). Rows from k_end on meet zeros of A, but
// may lie past the end of B.
void load_b(uint base, uint k, uint k_end)
{
    [[unroll]] for (uint f = 0; f < b.length(); f++) {
#if B_T
        b[f] = LOAD_B(base + min(k / 4 + b_number(f) / (4 * TN), (k_end - 1) / 4) + b_col[f]);
#else
        b[f] = LOAD_B(base + min(k + b_number(f) / TN, k_end - 1) * pc.ldb + b_col[f]);
#endif
    }
}

#if GATHER
// The next pixel of the rows: carries px into py and the image's number.
void next_pixel(inout uint px, inout uint py, inout uint image)
{
    px++;
    bool wrap_x = px == pc.rows_w;
    px = wrap_x ? 0 : px;
    py += uint(wrap_x);
    bool wrap_y = py == pc.rows_h;
    py = wrap_y ? 0 : py;
    image += uint(wrap_y);
}
#endif

#if !GATHER

void reduce()
{
    uint batch = gl_WorkGroupID.z % pc.batch, begin = gl_WorkGroupID.z / pc.batch * pc.split;
    uint end = min(begin + pc.split, pc.k);
    uint base_a = batch * pc.stride_a, base_b = batch * pc.stride_b;
    for (uint k = begin; k < end; k += KS) {
        [[unroll]] for (uint i = 0; i < TM * KQ; i++) {
#if A_T
            uint row = k + i / (TM / 4), col = min(m0 / 4 + i % (TM / 4), pc.lda - 1);
            a[i] = LOAD_A_IF(row < end, base_a + row * pc.lda + col);
#else
            uint row = min(m0 + i % TM, pc.m - 1), first = k + i / TM * 4;
            a[i] = i < TM ? LOAD(A, base_a + row * pc.lda + first / 4)
                          : LOAD_A_IF(first < end, base_a + row * pc.lda + first / 4);
#endif
        }
        load_b(base_b, k, pc.k);
        multiply();
    }
}

#elif !A_T

void reduce()
{
    uint first[TM];     // vec4 of the row's pixel for a tap that does not move
    int y[TM], x[TM];
    uint row = m0 / pc.rows_w, image = row / pc.rows_h, py = row % pc.rows_h, px = m0 % pc.rows_w;
    [[unroll]] for (uint i = 0; i < TM; i++) {
        y[i] = m0 + i < pc.m ? int(py) * pc.mul_y + pc.base_y : 0x40000000;
        x[i] = int(px) * pc.mul_x + pc.base_x;
        first[i] = uint((int(image * pc.src_h) + y[i]) * int(pc.src_w) + x[i]) * pc.src_c;
        next_pixel(px, py, image);
    }
    // One loop over taps and channels: leaving an inner loop copies every accumulator on these drivers.
    uint u = 0, v = 0, c = 0, end = pc.taps_y * pc.taps_x * pc.src_c;
    for (uint k = 0; k < end; k++) {
        int dy = int(u) * pc.step_y, dx = int(v) * pc.step_x;
        uint shift = uint(dy * int(pc.src_w) + dx) * pc.src_c + c;
        [[unroll]] for (uint i = 0; i < TM; i++) {
            bool ok = uint(y[i] + dy) < pc.src_h && uint(x[i] + dx) < pc.src_w;
            a[i] = LOAD_A_IF(ok, first[i] + shift);
        }
        load_b((pc.tap0 + u * pc.tap_dy + v * pc.tap_dx) * pc.tap_stride, c * 4, ~0u);
        multiply();
        c++;
        bool wrap_c = c == pc.src_c;
        c = wrap_c ? 0 : c;
        v += uint(wrap_c);
        bool wrap_v = v == pc.taps_x;
        v = wrap_v ? 0 : v;
        u += uint(wrap_v);
    }
}

#else

void reduce()
{
    uint first[TM / 4];
    int y[TM / 4], x[TM / 4];
    [[unroll]] for (uint g = 0; g < TM / 4; g++) {
        uint m = min(m0, pc.m - 4) / 4 + g, tap = m / pc.src_c;
        y[g] = pc.base_y + int(tap / pc.taps_x) * pc.step_y;
        x[g] = pc.base_x + int(tap % pc.taps_x) * pc.step_x;
        first[g] = uint(y[g] * int(pc.src_w) + x[g]) * pc.src_c + m % pc.src_c;
    }
    uint begin = gl_WorkGroupID.z * pc.split, end = min(begin + pc.split, pc.k);
    uint px = begin % pc.rows_w, py = begin / pc.rows_w % pc.rows_h, image = begin / pc.rows_w / pc.rows_h;
    for (uint k = begin; k < end; k += 4) {
        [[unroll]] for (uint q = 0; q < 4; q++) {
            int sy = int(py) * pc.mul_y, sx = int(px) * pc.mul_x;
            uint pixel = uint((int(image * pc.src_h) + sy) * int(pc.src_w) + sx) * pc.src_c;
            [[unroll]] for (uint g = 0; g < TM / 4; g++) {
                bool ok = k + q < end && uint(sy + y[g]) < pc.src_h && uint(sx + x[g]) < pc.src_w;
                a[q * (TM / 4) + g] = LOAD_A_IF(ok, pixel + first[g]);
            }
            next_pixel(px, py, image);
        }
        load_b(0, k, end);
        multiply();
    }
}

#endif

// Where row m of C begins.
uint c_row(uint m)
{
#if GATHER && B_T
    uint row = m / pc.rows_w, image = row / pc.rows_h;
    uint y = row % pc.rows_h * (pc.out_mul & 0xffff) + (pc.out_base & 0xffff);
    uint x = m % pc.rows_w * (pc.out_mul >> 16) + (pc.out_base >> 16);
    return ((image * pc.out_h + y) * pc.out_w + x) * pc.ldc;
#else
    return gl_WorkGroupID.z * pc.stride_c + m * pc.ldc;
#endif
}

void main()
{
    uint tile = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    m0 = (tile / pc.tiles_n * 8 + lane) * TM;
    n0 = tile % pc.tiles_n * TN;
    init_b();
    [[unroll]] for (uint i = 0; i < TM; i++)
        [[unroll]] for (uint j = 0; j < TN; j++)
            acc[i][j] = vec4(0);
    if (tile / pc.tiles_n * 8 * TM < pc.m)
        reduce();
    [[unroll]] for (uint i = 0; i < TM; i++) {
        uint row = c_row(m0 + i) + n0;
        [[unroll]] for (uint j = 0; j < TN; j++) {
            if (m0 + i < pc.m && n0 + j < pc.ldc) {
#if B_T
                uvec4 n = (n0 + j) * 4 + uvec4(0, 1, 2, 3);
                store_c(row + j, mix(vec4(0), acc[i][j], lessThan(n, uvec4(pc.n))));
#else
                store_c(row + j, acc[i][j]);
#endif
            }
        }
    }
}
