// contrast -- per row i: loss = log sum_{a != i} exp(s_a - max) - mean over positives of (s_p - max). Positives are
// the other rows of i's label; without any (or with the label 0xffffffff) the row is marked and its loss is 0.
//: axis thread:LANES=1 group:LANES=64
#version 450
#extension GL_GOOGLE_include_directive : require
#include "rows.glsl"
layout(binding = 0) readonly restrict buffer S { vec4 s[]; };                   // (rows, c4)
layout(binding = 1) readonly restrict buffer Labels { uvec4 labels[]; };        // (rows)
layout(binding = 2) writeonly restrict buffer Saved { vec4 saved[]; };          // (rows): max, log_sum, 1 / positives, 0
layout(binding = 3) writeonly restrict buffer Loss { float loss[]; };           // (rows)
layout(binding = 4) writeonly restrict buffer Anchor { uint anchor[]; };        // (rows): 0xffffffff for none

void main()
{
    uint row = row_index(), first = row * pc.c4;
    if (row >= pc.rows)
        return;
    uint label = labels[row / 4][row % 4];
    float top = LOWEST, sum = 0, chosen = 0, count = 0;     // count is exact: below 2^24
    for (uint j = lane_index(); j < pc.c4; j += LANES) {
        bvec4 self = equal(4 * j + uvec4(0, 1, 2, 3), uvec4(row));
        top = max(top, max4(mix(only_row(s[first + j], j, LOWEST), vec4(LOWEST), self)));
    }
    top = row_max(top);
    for (uint j = lane_index(); j < pc.c4; j += LANES) {
        vec4 d = s[first + j] - top;
        bvec4 self = equal(4 * j + uvec4(0, 1, 2, 3), uvec4(row));
        vec4 same = mix(only_row(vec4(equal(labels[j], uvec4(label))), j, 0), vec4(0), self);
        sum += sum4(mix(only_row(exp_down(d), j, 0), vec4(0), self));
        chosen += sum4(mix(vec4(0), d, notEqual(same, vec4(0))));
        count += sum4(same);
    }
    sum = row_sum(sum);
    chosen = row_sum(chosen);
    count = label == 0xffffffffu ? 0 : row_sum(count);
    if (lane_index() > 0)
        return;
    bool none = count == 0;
    float log_sum = log(sum);
    saved[row] = none ? vec4(0) : vec4(top, log_sum, 1 / count, 0);
    loss[row] = none ? 0 : log_sum - chosen / count;
    anchor[row] = none ? 0xffffffffu : 0;
}
