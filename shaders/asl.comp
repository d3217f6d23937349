// asl -- per row the sum of the elements' losses, and whether a target is known: 0, or 0xffffffff when none is.
//: axis thread:LANES=1 group:LANES=64
#version 450
#extension GL_GOOGLE_include_directive : require
#include "rows.glsl"
#include "asl.glsl"
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };               // (rows, c4)
layout(binding = 1) readonly restrict buffer T { vec4 target[]; };          // (rows, c4)
layout(binding = 2) writeonly restrict buffer Loss { float loss[]; };       // (rows)
layout(binding = 3) writeonly restrict buffer Known { uint known[]; };      // (rows)

void main()
{
    uint row = row_index(), first = row * pc.c4;
    if (row >= pc.rows)
        return;
    float sum = 0, any = 0;
    for (uint j = lane_index(); j < pc.c4; j += LANES) {
        vec4 v = x[first + j], y = target[first + j];
        asl_parts a = asl_of(v, y);
        vec4 l = a.log_loss * asl_power(a.base, a.gamma);
        l = mix(l, v + y, is_nan(v + y));
        bvec4 unknown = mix(bvec4(true), lessThan(y, vec4(0)), in_row(j));
        sum += sum4(mix(l, vec4(0), unknown));
        any = all(unknown) ? any : 1;
    }
    sum = row_sum(sum);
    any = row_max(any);
    if (lane_index() > 0)
        return;
    loss[row] = sum;
    known[row] = any > 0 ? 0u : 0xffffffffu;
}
