// loss_finish -- the partial sums of a loss, added and scaled: by a constant, or by 1 over the partial
// counts' sum, which is kept (both 0 when that is 0); one workgroup.
//: axis all:KNOWN=0 known:KNOWN=1
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pc_loss.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_loss pc; };
layout(binding = 0) readonly restrict buffer Partial { float partial[]; };
layout(binding = 1) writeonly restrict buffer Loss { vec4 loss; };
#if KNOWN
layout(binding = 2) readonly restrict buffer Count { uint partial_count[]; };
layout(binding = 3) writeonly restrict buffer Weight { vec4 weight; };
shared uint lane_count[64];
#endif

shared float lane_sum[64];

void main()
{
    uint lane = gl_LocalInvocationID.x, count = 0;
    float sum = 0, scale = pc.scale;
    for (uint i = lane; i < pc.count; i += 64) {
        sum += partial[i];
#if KNOWN
        count += partial_count[i];
#endif
    }
    lane_sum[lane] = sum;
#if KNOWN
    lane_count[lane] = count;
#endif
    for (uint half_count = 32; half_count > 0; half_count /= 2) {
        barrier();
        if (lane < half_count) {
            lane_sum[lane] += lane_sum[lane + half_count];
#if KNOWN
            lane_count[lane] += lane_count[lane + half_count];
#endif
        }
    }
    if (lane > 0)
        return;
#if KNOWN
    scale = lane_count[0] > 0 ? 1 / float(lane_count[0]) : 0;
    weight = vec4(scale, 0, 0, 0);
#endif
    loss = vec4(lane_sum[0] * scale, 0, 0, 0);
}
