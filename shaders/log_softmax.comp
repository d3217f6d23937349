// log_softmax -- y = x - max - log sum exp(x - max) over C; dx = dy - exp(y) sum dy.
//: axis forward:BACKWARD=0 backward:BACKWARD=1
//: axis thread:LANES=1 group:LANES=64
#version 450
#extension GL_GOOGLE_include_directive : require
#include "rows.glsl"
#if BACKWARD
layout(binding = 0) readonly restrict buffer DY { vec4 dy[]; };
layout(binding = 1) readonly restrict buffer Y { vec4 y[]; };
layout(binding = 2) writeonly restrict buffer DX { vec4 dx[]; };
#else
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };
layout(binding = 1) writeonly restrict buffer Y { vec4 y[]; };
#endif

void main()
{
    uint row = row_index(), first = row * pc.c4;
    if (row >= pc.rows)
        return;
    float sum = 0;
#if BACKWARD
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        sum += sum4(dy[first + j]);
    sum = row_sum(sum);
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        dx[first + j] = only_row(dy[first + j] - exp_down(y[first + j]) * sum, j, 0);
#else
    float top = LOWEST;
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        top = max(top, max4(only_row(x[first + j], j, LOWEST)));
    top = row_max(top);
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        sum += sum4(only_row(exp_down(x[first + j] - top), j, 0));
    float log_sum = log(row_sum(sum));
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        y[first + j] = only_row(x[first + j] - top - log_sum, j, 0);
#endif
}
