// loss.glsl -- summing per-element losses: every thread takes the vec4s i, i + threads, ..., then a
// workgroup's 64 sums are added in a fixed order. The kernel defines vec4 element(uint i), and with KNOWN
// bvec4 known(uint i), which elements count. INPUTS is the number of tensors, 2 unless defined.
#include "pc_loss.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_loss pc; };

bvec4 is_channel(uint i) { return lessThan(4 * (i % pc.c4) + uvec4(0, 1, 2, 3), uvec4(pc.c)); }

#ifdef SUM
#ifndef INPUTS
#define INPUTS 2
#endif
layout(binding = INPUTS) writeonly restrict buffer Partial { float partial[]; };     // one per workgroup

shared float lane_sum[64];
vec4 element(uint i);
#ifdef KNOWN
layout(binding = INPUTS + 1) writeonly restrict buffer Count { uint partial_count[]; };  // one per workgroup
shared uint lane_count[64];
bvec4 known(uint i);
#endif

void main()
{
    uint lane = gl_LocalInvocationID.x;
    vec4 sum = vec4(0);
    uvec4 count = uvec4(0);
    for (uint i = gl_WorkGroupID.x * 64 + lane; i < pc.count; i += pc.threads) {
        sum += element(i);
#ifdef KNOWN
        count += uvec4(known(i));
#endif
    }
    lane_sum[lane] = (sum.x + sum.y) + (sum.z + sum.w);
#ifdef KNOWN
    lane_count[lane] = count.x + count.y + count.z + count.w;
#endif
    for (uint half_count = 32; half_count > 0; half_count /= 2) {
        barrier();
        if (lane < half_count) {
            lane_sum[lane] += lane_sum[lane + half_count];
#ifdef KNOWN
            lane_count[lane] += lane_count[lane + half_count];
#endif
        }
    }
    if (lane == 0) {
        partial[gl_WorkGroupID.x] = lane_sum[0];
#ifdef KNOWN
        partial_count[gl_WorkGroupID.x] = lane_count[0];
#endif
    }
}
#else
// Four vec4s per thread.
uint element_index(uint k)
{
    return (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 256 + k * 64 + gl_LocalInvocationID.x;
}
#endif
