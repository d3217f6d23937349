// cross_entropy_finish -- the rows' losses added, over the number of rows that have a label, or over the sum of their
// labels' weights; and 1 over that (both 0 without any); one workgroup.
//: axis plain:WEIGHTED=0 weighted:WEIGHTED=1
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pc_rows.h"
layout(local_size_x = 128) in;
layout(push_constant) uniform block { vkd_pc_rows pc; };
layout(binding = 0) readonly restrict buffer Loss { float loss[]; };        // (rows)
layout(binding = 1) readonly restrict buffer Labels { uint labels[]; };     // (rows)
layout(binding = 2) writeonly restrict buffer Mean { vec4 mean; };
layout(binding = 3) writeonly restrict buffer Weight { vec4 weight; };
#if WEIGHTED
layout(binding = 4) readonly restrict buffer Weights { float weights[]; };  // (4 c4)
#define COUNT float
#else
#define COUNT uint
#endif

shared float lane_sum[128];
shared COUNT lane_count[128];

void main()
{
    uint lane = gl_LocalInvocationID.x;
    COUNT count = COUNT(0);
    float sum = 0;
    for (uint i = lane; i < pc.rows; i += 128) {
        sum += loss[i];
        uint label = labels[i];
#if WEIGHTED
        count += label < pc.c ? weights[label] : 0;
#else
        count += label == 0xffffffffu ? 0 : 1;
#endif
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
