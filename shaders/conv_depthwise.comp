//: axis forward:PASS=0 dgrad:PASS=1 wgrad:PASS=2
//: axis texel:TEXEL=1 buffer:TEXEL=0
// conv_depthwise -- convolution with one channel per group; w is (R, S, 1, C).
//
//   forward  y(n, oy, ox, c) = sum over r, s of x(n, oy stride - pad + r dilation, ..., c) w(r, s, c)
//   dgrad    dx(n, y, x, c) = sum of dy w over the taps that y(n, oy, ox, c) took from x(n, y, x, c)
//   wgrad    dw(r, s, c) = sum of x dy over the pixels; a part of them per workgroup z
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "pc_conv.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_conv pc; };
#if TEXEL
layout(binding = 0) uniform samplerBuffer A;
layout(binding = 1) uniform samplerBuffer B;
#define LOAD(buf, i) texelFetch(buf, int(i))
#else
layout(binding = 0) readonly restrict buffer A_ { vec4 A[]; };
layout(binding = 1) readonly restrict buffer B_ { vec4 B[]; };
#define LOAD(buf, i) buf[i]
#endif
layout(binding = 2) writeonly restrict buffer OUT { vec4 result[]; };

#define LOAD_IF(ok, buf, i) mix(vec4(0), LOAD(buf, (ok) ? (i) : 0), bvec4(ok))

// Four neighbours of a row per thread share the loads of the filter.
void pixels(uint i)
{
#if PASS == 0
    uint h = pc.h, w = pc.w, out_h = pc.oh, out_w = pc.ow;
#else
    uint h = pc.oh, w = pc.ow, out_h = pc.h, out_w = pc.w;
#endif
    uint c4 = pc.c / 4, c = i % c4, quads = (out_w + 3) / 4;
    uint x0 = i / c4 % quads * 4, row = i / c4 / quads, y = row % out_h, n = row / out_h;
    vec4 acc[4] = vec4[4](vec4(0), vec4(0), vec4(0), vec4(0));
    for (uint r = 0; r < pc.r; r++) {
#if PASS == 0
        uint sy = y * pc.stride_y + r * pc.dilation_y - pc.pad_y;
        bool ok_y = sy < h;
#else
        uint ty = y + pc.pad_y - r * pc.dilation_y, sy = ty / pc.stride_y;
        bool ok_y = ty < 0x80000000u && ty % pc.stride_y == 0 && sy < h;
#endif
        for (uint s = 0; s < pc.s; s++) {
            vec4 f = LOAD(B, (r * pc.s + s) * c4 + c);
            [[unroll]] for (uint q = 0; q < 4; q++) {
#if PASS == 0
                uint sx = (x0 + q) * pc.stride_x + s * pc.dilation_x - pc.pad_x;
                bool ok = ok_y && sx < w;
#else
                uint tx = x0 + q + pc.pad_x - s * pc.dilation_x, sx = tx / pc.stride_x;
                bool ok = ok_y && tx < 0x80000000u && tx % pc.stride_x == 0 && sx < w;
#endif
                acc[q] += LOAD_IF(ok, A, ((n * h + sy) * w + sx) * c4 + c) * f;
            }
        }
    }
    [[unroll]] for (uint q = 0; q < 4; q++)
        if (x0 + q < out_w)
            result[(row * out_w + x0 + q) * c4 + c] = acc[q];
}

// Padding channels of w may hold anything in dgrad, but dy is zero there.
void filter_gradient(uint i)
{
    uint c4 = pc.c / 4, c = i % c4, s = i / c4 % pc.s, r = i / c4 / pc.s;
    uint row = gl_WorkGroupID.z * pc.part_rows, end = min(row + pc.part_rows, pc.images * pc.oh);
    vec4 sum = vec4(0);
    for (; row < end; row++) {
        uint sy = row % pc.oh * pc.stride_y + r * pc.dilation_y - pc.pad_y;
        uint from = (row / pc.oh * pc.h + sy) * pc.w;
        for (uint x = 0; x < pc.ow; x++) {
            uint sx = x * pc.stride_x + s * pc.dilation_x - pc.pad_x;
            sum += LOAD_IF(sy < pc.h && sx < pc.w, A, (from + sx) * c4 + c) * LOAD(B, (row * pc.ow + x) * c4 + c);
        }
    }
    result[gl_WorkGroupID.z * pc.part_stride + i] = sum;
}

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.count)
        return;
#if PASS == 2
    filter_gradient(i);
#else
    pixels(i);
#endif
}
