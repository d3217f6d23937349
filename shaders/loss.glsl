// loss.glsl -- summing per-element losses: every thread takes the vec4s i, i + threads, ..., then a
// workgroup's 64 sums are added in a fixed order. The kernel defines vec4 element(uint i).
#include "pc_loss.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_loss pc; };

bvec4 is_channel(uint i) { return lessThan(4 * (i % pc.c4) + uvec4(0, 1, 2, 3), uvec4(pc.c)); }

#ifdef SUM
layout(binding = 2) writeonly restrict buffer Partial { float partial[]; };     // one per workgroup

shared float lane_sum[64];
vec4 element(uint i);

void main()
{
    uint lane = gl_LocalInvocationID.x;
    vec4 sum = vec4(0);
    for (uint i = gl_WorkGroupID.x * 64 + lane; i < pc.count; i += pc.threads)
        sum += element(i);
    lane_sum[lane] = (sum.x + sum.y) + (sum.z + sum.w);
    for (uint half_count = 32; half_count > 0; half_count /= 2) {
        barrier();
        if (lane < half_count)
            lane_sum[lane] += lane_sum[lane + half_count];
    }
    if (lane == 0)
        partial[gl_WorkGroupID.x] = lane_sum[0];
}
#else
// Four vec4s per thread.
uint element_index(uint k)
{
    return (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 256 + k * 64 + gl_LocalInvocationID.x;
}
#endif
