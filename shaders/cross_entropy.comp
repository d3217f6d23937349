// cross_entropy -- per row: loss = (1 - e) (-w_label log p_label) + e mean(-w log p), log p = x - max - log_sum;
// 0 without a label. NaN for a label that is no class. w: the classes' weights, plain: 1.
//: axis plain:WEIGHTED=0 weighted:WEIGHTED=1
//: axis thread:LANES=1 group:LANES=64
#version 450
#extension GL_GOOGLE_include_directive : require
#include "rows.glsl"
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };                   // (rows, c4)
layout(binding = 1) readonly restrict buffer Labels { uint labels[]; };         // (rows)
layout(binding = 2) writeonly restrict buffer Saved { vec4 saved[]; };          // (rows): max, log_sum, w_label, sum w
layout(binding = 3) writeonly restrict buffer Loss { float loss[]; };           // (rows)
#if WEIGHTED
layout(binding = 4) readonly restrict buffer Weights { vec4 weights[]; };       // (c4)
#endif

void main()
{
    uint row = row_index(), first = row * pc.c4;
    if (row >= pc.rows)
        return;
    uint label = labels[row];
    float top = LOWEST, sum = 0, below = 0, hit = 0, mass = 0, of_label = 0;
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        top = max(top, max4(only_row(x[first + j], j, LOWEST)));
    top = row_max(top);
    for (uint j = lane_index(); j < pc.c4; j += LANES) {
        vec4 d = x[first + j] - top;
        sum += sum4(only_row(exp_down(d), j, 0));
        // Only one lane meets the label: the sum over lanes is its value.
        bvec4 here = equal(4 * j + uvec4(0, 1, 2, 3), uvec4(label));
        hit -= sum4(mix(vec4(0), d, here));
#if WEIGHTED
        vec4 w = weights[j];
        below -= sum4(only_row(w * d, j, 0));
        mass += sum4(only_row(w, j, 0));
        of_label += sum4(mix(vec4(0), w, here));
#else
        below -= sum4(only_row(d, j, 0));
#endif
    }
    float log_sum = log(row_sum(sum));
    below = row_sum(below) / float(pc.c);
    hit = row_sum(hit);
#if WEIGHTED
    mass = row_sum(mass);
    of_label = row_sum(of_label);
#else
    mass = float(pc.c);
    of_label = 1;
#endif
    if (lane_index() > 0)
        return;
    saved[row] = vec4(top, log_sum, of_label, mass);
#if WEIGHTED
    float value = mix(of_label * (hit + log_sum), below + mass / float(pc.c) * log_sum, pc.smoothing);
#else
    float value = mix(hit, below, pc.smoothing) + log_sum;
#endif
    if (label >= pc.c)
        value = label == 0xffffffffu ? 0 : uintBitsToFloat(0x7fc00000u);
    loss[row] = value;
}
