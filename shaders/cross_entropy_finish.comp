// cross_entropy_finish -- the mean of the rows' losses over the rows that have a label, and 1 over
// their number (both 0 without any); one workgroup.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pc_rows.h"
layout(local_size_x = 128) in;
layout(push_constant) uniform block { vkd_pc_rows pc; };
layout(binding = 0) readonly restrict buffer Loss { float loss[]; };        // (rows)
layout(binding = 1) readonly restrict buffer Labels { uint labels[]; };     // (rows)
layout(binding = 2) writeonly restrict buffer Mean { vec4 mean; };
layout(binding = 3) writeonly restrict buffer Weight { vec4 weight; };

shared float lane_sum[128];
shared uint lane_count[128];

void main()
{
    uint lane = gl_LocalInvocationID.x, count = 0;
    float sum = 0;
    for (uint i = lane; i < pc.rows; i += 128) {
        sum += loss[i];
        count += labels[i] == 0xffffffffu ? 0 : 1;
    }
    lane_sum[lane] = sum;
    lane_count[lane] = count;
    for (uint half_count = 64; half_count > 0; half_count /= 2) {
        barrier();
        if (lane < half_count) {
            lane_sum[lane] += lane_sum[lane + half_count];
            lane_count[lane] += lane_count[lane + half_count];
        }
    }
    if (lane > 0)
        return;
    float inverse = lane_count[0] > 0 ? 1 / float(lane_count[0]) : 0;
    mean = vec4(lane_sum[0] * inverse, 0, 0, 0);
    weight = vec4(inverse, 0, 0, 0);
}
