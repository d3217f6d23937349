// loss_finish -- the partial sums of a loss, added and scaled; one workgroup.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pc_loss.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_loss pc; };
layout(binding = 0) readonly restrict buffer Partial { float partial[]; };
layout(binding = 1) writeonly restrict buffer Loss { vec4 loss; };

shared float lane_sum[64];

void main()
{
    uint lane = gl_LocalInvocationID.x;
    float sum = 0;
    for (uint i = lane; i < pc.count; i += 64)
        sum += partial[i];
    lane_sum[lane] = sum;
    for (uint half_count = 32; half_count > 0; half_count /= 2) {
        barrier();
        if (lane < half_count)
            lane_sum[lane] += lane_sum[lane + half_count];
    }
    if (lane == 0)
        loss = vec4(lane_sum[0] * pc.scale, 0, 0, 0);
}
