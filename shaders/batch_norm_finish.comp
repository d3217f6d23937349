// batch_norm_finish -- the statistics of each channel; one workgroup per four channels.
//
// Training merges the chunks in a fixed order (Chan, Golub, LeVeque 1979):
//   d = mean_b - mean_a,  mean = mean_a + d n_b / n,  m2 = m2_a + m2_b + d^2 n_a n_b / n
// and moves the running statistics (unbiased variance); evaluation takes the running ones.
//: axis train:TRAINING=1 eval:TRAINING=0
#version 450
#extension GL_GOOGLE_include_directive : require
#include "batch_norm.glsl"
layout(binding = 0) writeonly restrict buffer Mean { vec4 mean_out[]; };
layout(binding = 1) writeonly restrict buffer Invstd { vec4 invstd_out[]; };
#if TRAINING
layout(binding = 2) restrict buffer RunningMean { vec4 running_mean[]; };
layout(binding = 3) restrict buffer RunningVar { vec4 running_var[]; };
layout(binding = 4) readonly restrict buffer Partial { vec4 partial[]; };       // (c4, chunks, 2)

struct stats { float n; vec4 mean, m2; };
shared float lane_n[64];
shared vec4 lane_mean[64], lane_m2[64];

stats merge(stats a, stats b)
{
    float n = a.n + b.n;
    if (b.n == 0)
        return a;
    vec4 d = b.mean - a.mean;
    float f = b.n / n;
    return stats(n, a.mean + d * f, a.m2 + b.m2 + d * d * (a.n * f));
}

stats lane_load(uint lane) { return stats(lane_n[lane], lane_mean[lane], lane_m2[lane]); }

void lane_store(uint lane, stats s)
{
    lane_n[lane] = s.n;
    lane_mean[lane] = s.mean;
    lane_m2[lane] = s.m2;
}

// Lanes first, first + step, ... (8 of them).
stats merge8(uint first, uint step)
{
    stats s = lane_load(first);
    for (uint k = 1; k < 8; k++)
        s = merge(s, lane_load(first + k * step));
    return s;
}
#else
layout(binding = 2) readonly restrict buffer RunningMean { vec4 running_mean[]; };
layout(binding = 3) readonly restrict buffer RunningVar { vec4 running_var[]; };
#endif

void main()
{
    uint c4 = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
    vec4 mean, var;
#if TRAINING
    stats s = stats(0, vec4(0), vec4(0));
    for (uint j = lane; j < pc.chunks; j += 64) {
        uint at = 2 * (c4 * pc.chunks + j);
        s = merge(s, stats(float(chunk_count(j)), partial[at], partial[at + 1]));
    }
    lane_store(lane, s);
    barrier();
    if (lane < 8)
        lane_store(8 * lane, merge8(8 * lane, 1));
    barrier();
    if (lane > 0)
        return;
    s = merge8(0, 8);
    mean = s.mean;
    var = s.m2 / s.n;
    running_mean[c4] = mix(running_mean[c4], mean, pc.momentum);
    running_var[c4] = mix(running_var[c4], s.m2 / (s.n - 1), pc.momentum);
#else
    if (lane > 0)
        return;
    mean = running_mean[c4];
    var = running_var[c4];
#endif
    mean_out[c4] = mean;
    // 1 / sqrt, not inversesqrt: the latter is less exact on several drivers.
    invstd_out[c4] = mix(vec4(0), 1 / sqrt(var + pc.eps), channel_exists(c4));
}
