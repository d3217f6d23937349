//: axis pixels:WGRAD=0 wgrad:WGRAD=1
//: axis any:STRIDE=0 three1:STRIDE=1 three2:STRIDE=2
//: axis texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer:TEXEL=0 texel_half:TEXEL=1,HALF=1 buffer_half:TEXEL=0,HALF=1
// conv_depthwise -- convolution with one channel per group; w is (R, S, 1, C). See pc_gemm.h for the
// gathering, which serves forward and dgrad alike.
//
//   pixels   out(row, c) = sum over taps of src(pixel of row and tap, c) w(tap, c)
//   wgrad    dw(tap, c) = sum over the rows of src dy; one part of them per workgroup z
//
// The variants three1 and three2 are for filter rows of 3 neighbours at stride 1 and 2: they load each
// pixel once per filter row.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "load.glsl"
#include "pc_gemm.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_gather pc; };
SOURCE(readonly restrict, 0, A);
#if WGRAD
SOURCE(readonly restrict, 1, B);
RESULT_F32(writeonly restrict, 2, Result);
#else
SOURCE_F32(readonly restrict, 1, B);
RESULT(writeonly restrict, 2, Result);
#endif

vec4 pixel(bool ok, uint i) { return mix(vec4(0), LOAD(A, ok ? i : 0), bvec4(ok)); }

#if !WGRAD

// Four neighbours of a row per thread share the loads of the filter.
void compute(uint i)
{
    uint c = i % pc.src_c, quads = (pc.rows_w + 3) / 4;
    uint x = i / pc.src_c % quads * 4, row = i / pc.src_c / quads, y = row % pc.rows_h, image = row / pc.rows_h;
    vec4 acc[4] = vec4[4](vec4(0), vec4(0), vec4(0), vec4(0));
    for (uint u = 0; u < pc.taps_y; u++) {
        uint sy = uint(int(y) * pc.mul_y + pc.base_y + int(u) * pc.step_y);
        uint from = (image * pc.src_h + sy) * pc.src_w;
        uint tap = pc.tap0 + u * pc.tap_dy;
#if STRIDE
        vec4 d[3 * STRIDE + 3];
        [[unroll]] for (uint j = 0; j < d.length(); j++) {
            uint sx = uint(int(x) * STRIDE + pc.base_x) + j;
            d[j] = pixel(sy < pc.src_h && sx < pc.src_w, (from + sx) * pc.src_c + c);
        }
        [[unroll]] for (uint v = 0; v < 3; v++) {
            vec4 w = LOAD_F32(B, (tap + v * pc.tap_dx) * pc.src_c + c);
            [[unroll]] for (uint q = 0; q < 4; q++)
                acc[q] += d[q * STRIDE + v] * w;
        }
#else
        for (uint v = 0; v < pc.taps_x; v++) {
            vec4 w = LOAD_F32(B, (tap + v * pc.tap_dx) * pc.src_c + c);
            [[unroll]] for (uint q = 0; q < 4; q++) {
                uint sx = uint(int(x + q) * pc.mul_x + pc.base_x + int(v) * pc.step_x);
                acc[q] += pixel(sy < pc.src_h && sx < pc.src_w, (from + sx) * pc.src_c + c) * w;
            }
        }
#endif
    }
    uint to = (image * pc.out_h + y * (pc.out_mul & 0xffff) + (pc.out_base & 0xffff)) * pc.out_w;
    [[unroll]] for (uint q = 0; q < 4; q++)
        if (x + q < pc.rows_w)
            STORE(Result, (to + (x + q) * (pc.out_mul >> 16) + (pc.out_base >> 16)) * pc.src_c + c, acc[q]);
}

#elif STRIDE

// A thread sums the 3 taps of a filter row.
void compute(uint i)
{
    uint c = i % pc.src_c, u = i / pc.src_c;
    uint row = gl_WorkGroupID.z * pc.split, end = min(row + pc.split, pc.k);
    vec4 sum[3] = vec4[3](vec4(0), vec4(0), vec4(0));
    for (; row < end; row++) {
        uint sy = uint(int(row % pc.rows_h) * pc.mul_y + pc.base_y + int(u) * pc.step_y);
        uint from = (row / pc.rows_h * pc.src_h + sy) * pc.src_w, sx = uint(pc.base_x);
        vec4 d[3];
        [[unroll]] for (uint v = STRIDE; v < 3; v++) {
            d[v] = pixel(sy < pc.src_h && sx < pc.src_w, (from + sx) * pc.src_c + c);
            sx++;
        }
        for (uint x = 0; x < pc.rows_w; x++) {
            [[unroll]] for (uint v = 0; v < 3; v++) {
                if (v < 3 - STRIDE) {
                    d[v] = d[v + STRIDE];
                } else {
                    d[v] = pixel(sy < pc.src_h && sx < pc.src_w, (from + sx) * pc.src_c + c);
                    sx++;
                }
            }
            vec4 dy = LOAD(B, (row * pc.rows_w + x) * pc.src_c + c);
            [[unroll]] for (uint v = 0; v < 3; v++)
                sum[v] += d[v] * dy;
        }
    }
    [[unroll]] for (uint v = 0; v < 3; v++)
        STORE_F32(Result, gl_WorkGroupID.z * pc.stride_c + (u * 3 + v) * pc.src_c + c, sum[v]);
}

#else

void compute(uint i)
{
    uint c = i % pc.src_c, tap = i / pc.src_c, v = tap % pc.taps_x, u = tap / pc.taps_x;
    uint row = gl_WorkGroupID.z * pc.split, end = min(row + pc.split, pc.k);
    vec4 sum = vec4(0);
    for (; row < end; row++) {
        uint sy = uint(int(row % pc.rows_h) * pc.mul_y + pc.base_y + int(u) * pc.step_y);
        uint from = (row / pc.rows_h * pc.src_h + sy) * pc.src_w;
        for (uint x = 0; x < pc.rows_w; x++) {
            uint sx = uint(int(x) * pc.mul_x + pc.base_x + int(v) * pc.step_x);
            sum += pixel(sy < pc.src_h && sx < pc.src_w, (from + sx) * pc.src_c + c) *
                   LOAD(B, (row * pc.rows_w + x) * pc.src_c + c);
        }
    }
    STORE_F32(Result, gl_WorkGroupID.z * pc.stride_c + i, sum);
}

#endif

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i < pc.m)
        compute(i);
}
