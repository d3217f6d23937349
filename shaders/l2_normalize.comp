// l2_normalize -- y = x / n, n = max(|x|, eps) over C; dx = (dy - y sum dy y) / n, the sum being 0
// where |x| < eps.
//: axis forward:BACKWARD=0 backward:BACKWARD=1
//: axis thread:LANES=1 group:LANES=64
#version 450
#extension GL_GOOGLE_include_directive : require
#include "rows.glsl"
layout(binding = 0) readonly restrict buffer X { vec4 x[]; };
#if BACKWARD
layout(binding = 1) readonly restrict buffer DY { vec4 dy[]; };
layout(binding = 2) writeonly restrict buffer DX { vec4 dx[]; };
#else
layout(binding = 1) writeonly restrict buffer Y { vec4 y[]; };
#endif

void main()
{
    uint row = row_index(), first = row * pc.c4;
    if (row >= pc.rows)
        return;
    float square = 0;
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        square += dot(x[first + j], x[first + j]);
    float length = sqrt(row_sum(square)), n = length < pc.eps ? pc.eps : length;
#if BACKWARD
    float dot_y = 0;
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        dot_y += dot(dy[first + j], x[first + j] / n);
    dot_y = length < pc.eps ? 0 : row_sum(dot_y);
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        dx[first + j] = (dy[first + j] - x[first + j] / n * dot_y) / n;
#else
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        y[first + j] = x[first + j] / n;
#endif
}
