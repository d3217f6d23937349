// cross_entropy -- per row: loss = (1 - e) (-log p_label) + e mean(-log p), log p = x - max - log_sum;
// 0 without a label. NaN for a label that is no class.
//: axis thread:LANES=1 group:LANES=64
#version 450
#extension GL_GOOGLE_include_directive : require
#include "rows.glsl"
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };                   // (rows, c4)
layout(binding = 1) readonly restrict buffer Labels { uint labels[]; };         // (rows)
layout(binding = 2) writeonly restrict buffer Saved { vec4 saved[]; };          // (rows): max, log_sum, 0, 0
layout(binding = 3) writeonly restrict buffer Loss { float loss[]; };           // (rows)

void main()
{
    uint row = row_index(), first = row * pc.c4;
    if (row >= pc.rows)
        return;
    uint label = labels[row];
    float top = LOWEST, sum = 0, below = 0, hit = 0;
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        top = max(top, max4(only_row(x[first + j], j, LOWEST)));
    top = row_max(top);
    for (uint j = lane_index(); j < pc.c4; j += LANES) {
        vec4 d = x[first + j] - top;
        sum += sum4(only_row(exp_down(d), j, 0));
        below -= sum4(only_row(d, j, 0));
        // Only one lane meets the label: the sum over lanes is its value.
        hit -= sum4(mix(vec4(0), d, equal(4 * j + uvec4(0, 1, 2, 3), uvec4(label))));
    }
    float log_sum = log(row_sum(sum));
    below = row_sum(below) / float(pc.c);
    hit = row_sum(hit);
    if (lane_index() > 0)
        return;
    saved[row] = vec4(top, log_sum, 0, 0);
    float value = mix(hit, below, pc.smoothing) + log_sum;
    if (label >= pc.c)
        value = label == 0xffffffffu ? 0 : uintBitsToFloat(0x7fc00000u);
    loss[row] = value;
}
