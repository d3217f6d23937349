// filter_cosine -- alike_i = sum_{j != i} (gram_ij inverse_i inverse_j)^2, 0 in padding rows.
//: axis thread:LANES=1 group:LANES=64
#version 450
#extension GL_GOOGLE_include_directive : require
#include "rows.glsl"
layout(binding = 0) readonly restrict buffer Gram { vec4 gram[]; };             // (c, c4)
layout(binding = 1) readonly restrict buffer Inverse { vec4 inverse[]; };       // (c4)
layout(binding = 2) writeonly restrict buffer Alike { float alike[]; };         // (rows), c of them filters

void main()
{
    uint row = row_index(), first = row * pc.c4;
    if (row >= pc.rows)
        return;
    if (row >= pc.c) {
        if (lane_index() == 0)
            alike[row] = 0;
        return;
    }
    float sum = 0, own = inverse[row / 4][row % 4];
    for (uint j = lane_index(); j < pc.c4; j += LANES) {
        bvec4 self = equal(4 * j + uvec4(0, 1, 2, 3), uvec4(row));
        vec4 cosine = mix(gram[first + j] * own * inverse[j], vec4(0), self);
        sum += dot(cosine, cosine);
    }
    sum = row_sum(sum);
    if (lane_index() == 0)
        alike[row] = sum;
}
