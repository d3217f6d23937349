// label_rank -- how many logits precede the label's: greater ones, equal ones of a lower class (so
// that 0 is what argmax picks), and NaN. No label: 0xffffffff; a NaN or missing class: C.
//: axis thread:LANES=1 group:LANES=64
#version 450
#extension GL_GOOGLE_include_directive : require
#include "rows.glsl"
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };               // (rows, c4)
layout(binding = 1) readonly restrict buffer Labels { uint labels[]; };     // (rows)
layout(binding = 2) writeonly restrict buffer Rank { uint rank_out[]; };    // (rows)

void main()
{
    uint row = row_index(), first = row * pc.c4;
    if (row >= pc.rows)
        return;
    uint label = labels[row];
    bool exists = label < pc.c;
    float mine = exists ? x[first + label / 4][label % 4] : 0;
    float count = 0;        // exact: below 2^24
    for (uint j = lane_index(); j < pc.c4; j += LANES) {
        vec4 v = x[first + j];
        uvec4 before = uvec4(greaterThan(v, vec4(mine))) | uvec4(is_nan(v))
                       | uvec4(equal(v, vec4(mine))) * uvec4(lessThan(4 * j + uvec4(0, 1, 2, 3), uvec4(label)));
        count += sum4(only_row(vec4(before), j, 0));
    }
    count = row_sum(count);
    if (lane_index() > 0)
        return;
    bool nan = is_nan(vec4(mine)).x;
    rank_out[row] = label == 0xffffffffu ? label : !exists || nan ? pc.c : uint(count);
    if (row == pc.rows - 1)
        for (uint i = pc.rows; i % 4 != 0; i++)
            rank_out[i] = 0;
}
