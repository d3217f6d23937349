// batch_norm_back_finish -- dbeta = sum g, dgamma = sum g * xhat, and what dx needs per channel;
// one workgroup per four channels.
//
//   dx = k (g - c0 - (x - mean) c1),  k = gamma * invstd
//   training: c0 = dbeta / rows, c1 = invstd * dgamma / rows; evaluation: the statistics are constants, both 0
#version 450
#extension GL_GOOGLE_include_directive : require
#include "batch_norm.glsl"
layout(constant_id = 3) const uint TRAINING = 1;
layout(binding = 0) readonly restrict buffer Partial { vec4 partial[]; };       // (c4, chunks, 2)
layout(binding = 1) readonly restrict buffer Mean { vec4 mean[]; };             // (c4), as the next five
layout(binding = 2) readonly restrict buffer Invstd { vec4 invstd[]; };
layout(binding = 3) readonly restrict buffer Gamma { vec4 gamma[]; };
layout(binding = 4) readonly restrict buffer Beta { vec4 beta[]; };
layout(binding = 5) writeonly restrict buffer DGamma { vec4 dgamma_out[]; };
layout(binding = 6) writeonly restrict buffer DBeta { vec4 dbeta_out[]; };
layout(binding = 7) writeonly restrict buffer Coef { vec4 coef[]; };            // (c4, 5): mean, k, c0, c1, beta

shared vec4 lane_sum[64], lane_dot[64];

void main()
{
    uint c4 = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
    vec4 sum = vec4(0), dot = vec4(0);
    for (uint j = lane; j < pc.chunks; j += 64) {
        uint at = 2 * (c4 * pc.chunks + j);
        sum += partial[at];
        dot += partial[at + 1];
    }
    lane_sum[lane] = sum;
    lane_dot[lane] = dot;
    barrier();
    if (lane < 8) {
        for (uint k = 1; k < 8; k++) {
            lane_sum[8 * lane] += lane_sum[8 * lane + k];
            lane_dot[8 * lane] += lane_dot[8 * lane + k];
        }
    }
    barrier();
    if (lane > 0)
        return;
    vec4 dbeta = lane_sum[0], dgamma = lane_dot[0];
    for (uint k = 1; k < 8; k++) {
        dbeta += lane_sum[8 * k];
        dgamma += lane_dot[8 * k];
    }
    vec4 inv = invstd[c4];
    dgamma *= inv;
    dgamma_out[c4] = dgamma;
    dbeta_out[c4] = dbeta;
    float per_row = TRAINING == 1 ? 1 / float(pc.rows) : 0;
    coef[5 * c4] = mean[c4];
    coef[5 * c4 + 1] = inv * gamma[c4];
    coef[5 * c4 + 2] = dbeta * per_row;
    coef[5 * c4 + 3] = inv * dgamma * per_row;
    coef[5 * c4 + 4] = beta[c4];
}
