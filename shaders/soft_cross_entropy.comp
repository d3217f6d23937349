// soft_cross_entropy -- per row: loss = sum_k q_k (log_sum - alpha (x_k - max)),
// log_sum = log sum_k exp(alpha (x_k - max)).
//: axis thread:LANES=1 group:LANES=64
#version 450
#extension GL_GOOGLE_include_directive : require
#include "rows.glsl"
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };               // (rows, c4)
layout(binding = 1) readonly restrict buffer Q { vec4 q[]; };               // (rows, c4)
layout(binding = 2) writeonly restrict buffer Saved { vec4 saved[]; };      // (rows): max, log_sum, sum q, 0
layout(binding = 3) writeonly restrict buffer Loss { float loss[]; };       // (rows)

void main()
{
    uint row = row_index(), first = row * pc.c4;
    if (row >= pc.rows)
        return;
    float top = LOWEST, sum = 0, mass = 0, below = 0;
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        top = max(top, max4(only_row(x[first + j], j, LOWEST)));
    top = row_max(top);
    for (uint j = lane_index(); j < pc.c4; j += LANES) {
        vec4 d = pc.alpha * (x[first + j] - top), weight = q[first + j];
        sum += sum4(only_row(exp_down(d), j, 0));
        mass += sum4(only_row(weight, j, 0));
        below -= sum4(only_row(weight * d, j, 0));
    }
    float log_sum = log(row_sum(sum));
    mass = row_sum(mass);
    below = row_sum(below);
    if (lane_index() > 0)
        return;
    saved[row] = vec4(top, log_sum, mass, 0);
    loss[row] = mass * log_sum + below;
}
