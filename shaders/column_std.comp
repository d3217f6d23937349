// column_std -- y = sqrt(mean over rows of (x - mean)^2); one workgroup per four columns. The mean is taken first,
// then the squares: nothing cancels.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pc_rows.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform Block { vkd_pc_rows pc; };
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };       // (rows, c4)
layout(binding = 1) writeonly restrict buffer Y { vec4 y[]; };      // (c4)

shared vec4 lanes[64];

// The sum of all lanes' v, in a fixed order.
vec4 group_sum(vec4 v)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    lanes[lane] = v;
    for (uint half_count = 32; half_count > 0; half_count /= 2) {
        barrier();
        if (lane < half_count)
            lanes[lane] += lanes[lane + half_count];
    }
    barrier();
    return lanes[0];
}

void main()
{
    uint c4 = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
    if (c4 >= pc.c4)
        return;
    // Relative to the first row, so that a large mean costs no digits.
    vec4 start = x[c4], sum = vec4(0), square = vec4(0);
    for (uint row = lane; row < pc.rows; row += 64)
        sum += x[row * pc.c4 + c4] - start;
    vec4 mean = group_sum(sum) / float(pc.rows);
    for (uint row = lane; row < pc.rows; row += 64) {
        vec4 d = x[row * pc.c4 + c4] - start - mean;
        square += d * d;
    }
    square = group_sum(square) / float(pc.rows);
    if (lane == 0)
        y[c4] = sqrt(square);
}
