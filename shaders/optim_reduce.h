// optim_reduce.h -- GLSL: the sum of one vec2 per invocation over a workgroup, in a fixed order.
// Two barriers only: they are dear on CPU drivers.
#ifndef VKD_OPTIM_REDUCE_H
#define VKD_OPTIM_REDUCE_H
#include "optim_table.h"

shared vec2 reduce_lane[VKD_OPTIM_LOCAL];

// The sum, valid in invocation 0. Call it from uniform control flow, once per kernel.
vec2 reduce_workgroup(vec2 x)
{
    uint lane = gl_LocalInvocationID.x;
    reduce_lane[lane] = x;
    barrier();
    vec2 sum = vec2(0.0);
    if (lane < 8u) {
        for (uint k = lane; k < VKD_OPTIM_LOCAL; k += 8u)
            sum += reduce_lane[k];
        reduce_lane[lane] = sum;
    }
    barrier();
    sum = vec2(0.0);
    if (lane == 0u)
        for (uint k = 0u; k < 8u; k++)
            sum += reduce_lane[k];
    return sum;
}

// By bits: isnan and isinf may be optimised away.
bool is_finite(float x) { return (floatBitsToUint(x) & 0x7f800000u) != 0x7f800000u; }
#endif
