// rows.glsl -- one row of a (rows, C) tensor per thread (LANES 1) or per workgroup (LANES 64). Lane l
// takes the vec4s l, l + LANES, ... of its row; sums and maxima over the lanes come in a fixed order.
#include "nan.glsl"
#include "pc_rows.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_rows pc; };

uint group_index() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }

#if LANES == 1
uint row_index() { return group_index() * 64 + gl_LocalInvocationID.x; }
uint lane_index() { return 0; }
float row_sum(float v) { return v; }
float row_max(float v) { return v; }
#else
shared float lanes[64], eighths[8];

uint row_index() { return group_index(); }
uint lane_index() { return gl_LocalInvocationID.x; }

float row_sum(float v)
{
    uint lane = lane_index();
    lanes[lane] = v;
    barrier();
    if (lane < 8) {
        float s = lanes[8 * lane];
        for (uint k = 1; k < 8; k++)
            s += lanes[8 * lane + k];
        eighths[lane] = s;
    }
    barrier();
    float s = eighths[0];
    for (uint k = 1; k < 8; k++)
        s += eighths[k];
    return s;
}

float row_max(float v)
{
    uint lane = lane_index();
    lanes[lane] = v;
    barrier();
    if (lane < 8) {
        float s = lanes[8 * lane];
        for (uint k = 1; k < 8; k++)
            s = max(s, lanes[8 * lane + k]);
        eighths[lane] = s;
    }
    barrier();
    float s = eighths[0];
    for (uint k = 1; k < 8; k++)
        s = max(s, eighths[k]);
    return s;
}
#endif

const float LOWEST = -3.402823466e38;

float sum4(vec4 v) { return (v.x + v.y) + (v.z + v.w); }
float max4(vec4 v) { return max(max(v.x, v.y), max(v.z, v.w)); }

// The elements of vec4 j that are channels; the others become `other`.
bvec4 in_row(uint j) { return lessThan(4 * j + uvec4(0, 1, 2, 3), uvec4(pc.c)); }
vec4 only_row(vec4 v, uint j, float other) { return mix(vec4(other), v, in_row(j)); }
