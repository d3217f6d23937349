//: axis forward:PASS=0 dgrad:PASS=1 wgrad:PASS=2
//: axis buffer:HALF=0 buffer_half:HALF=1
// conv_grouped -- convolution with any number of groups, one word of results per thread; w is (R, S, C / groups, K).
// Group g connects channels g group_c ... of x with channels g group_k ... of y.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "load.glsl"
#include "pc_conv.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_conv pc; };
#if HALF
layout(binding = 0) readonly restrict buffer A_ { uint words_a[]; };
float a_at(uint i) { return unpack(words_a[i / 2])[i % 2]; }
#else
layout(binding = 0) readonly restrict buffer A_ { float A[]; };
float a_at(uint i) { return A[i]; }
#endif
#if HALF && PASS == 2
layout(binding = 1) readonly restrict buffer B_ { uint words_b[]; };
float b_at(uint i) { return unpack(words_b[i / 2])[i % 2]; }
#else
layout(binding = 1) readonly restrict buffer B_ { float B[]; };
float b_at(uint i) { return B[i]; }
#endif
#if HALF && PASS != 2
layout(binding = 2) writeonly restrict buffer OUT { uint result[]; };
#else
layout(binding = 2) writeonly restrict buffer OUT { float result[]; };
#endif

#if PASS == 0

float value(uint i)
{
    uint k = i % pc.k, pixel = i / pc.k;
    uint ox = pixel % pc.ow, oy = pixel / pc.ow % pc.oh, n = pixel / pc.ow / pc.oh;
    float sum = 0;
    for (uint r = 0; k < pc.k_used && r < pc.r; r++) {
        uint y = oy * pc.stride_y + r * pc.dilation_y - pc.pad_y;
        for (uint s = 0; y < pc.h && s < pc.s; s++) {
            uint x = ox * pc.stride_x + s * pc.dilation_x - pc.pad_x;
            uint a = ((n * pc.h + y) * pc.w + x) * pc.c + k / pc.group_k * pc.group_c;
            uint b = (r * pc.s + s) * pc.group_c * pc.k + k;
            for (uint c = 0; x < pc.w && c < pc.group_c; c++)
                sum += a_at(a + c) * b_at(b + c * pc.k);
        }
    }
    return sum;
}

#elif PASS == 1

float value(uint i)
{
    uint c = i % pc.c, pixel = i / pc.c;
    uint x = pixel % pc.w, y = pixel / pc.w % pc.h, n = pixel / pc.w / pc.h;
    float sum = 0;
    for (uint r = 0; c < pc.c_used && r < pc.r; r++) {
        uint ty = y + pc.pad_y - r * pc.dilation_y, oy = ty / pc.stride_y;
        bool ok_y = ty < 0x80000000u && ty % pc.stride_y == 0 && oy < pc.oh;
        for (uint s = 0; ok_y && s < pc.s; s++) {
            uint tx = x + pc.pad_x - s * pc.dilation_x, ox = tx / pc.stride_x;
            bool ok = tx < 0x80000000u && tx % pc.stride_x == 0 && ox < pc.ow;
            uint k0 = c / pc.group_c * pc.group_k;
            uint a = ((n * pc.oh + oy) * pc.ow + ox) * pc.k + k0;
            uint b = ((r * pc.s + s) * pc.group_c + c % pc.group_c) * pc.k + k0;
            for (uint k = 0; ok && k < pc.group_k; k++)
                sum += a_at(a + k) * b_at(b + k);
        }
    }
    return sum;
}

#else

float value(uint i)
{
    uint k = i % pc.k, c = i / pc.k % pc.group_c, tap = i / pc.k / pc.group_c;
    uint row = gl_WorkGroupID.z * pc.part_rows, end = min(row + pc.part_rows, pc.images * pc.oh);
    float sum = 0;
    for (; k < pc.k_used && row < end; row++) {
        uint y = row % pc.oh * pc.stride_y + tap / pc.s * pc.dilation_y - pc.pad_y;
        for (uint ox = 0; y < pc.h && ox < pc.ow; ox++) {
            uint x = ox * pc.stride_x + tap % pc.s * pc.dilation_x - pc.pad_x;
            if (x < pc.w)
                sum += a_at(((row / pc.oh * pc.h + y) * pc.w + x) * pc.c + k / pc.group_k * pc.group_c + c) *
                       b_at((row * pc.ow + ox) * pc.k + k);
        }
    }
    return sum;
}

#endif

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.count)
        return;
#if HALF && PASS != 2
    result[i] = pack(vec4(value(2 * i), value(2 * i + 1), 0, 0)).x;
#else
    result[gl_WorkGroupID.z * pc.part_stride * 4 + i] = value(i);
#endif
}
