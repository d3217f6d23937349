// sinkhorn_rows -- one sample per row: its largest score, and g = -log sum_k exp((s_k - top) / eps + f_k).
//
// start: keeps (top, g) with the g of Q = exp(s / eps), relative to one score of the batch, since only differences
// count. scale: g from f. codes: y_k = exp((s_k - top) / eps + f_k + g) instead. Queued samples rest while queue_on
// is 0.
//: axis start:STAGE=0 scale:STAGE=1 codes:STAGE=2
//: axis thread:LANES=1 group:LANES=64
#version 450
#extension GL_GOOGLE_include_directive : require
#include "rows.glsl"
#include "step_block.h"
layout(constant_id = 0) const uint QUEUED = 0;
layout(binding = 0) readonly restrict buffer Step { vkd_step_block step_block; };
layout(binding = 1) readonly restrict buffer S { vec4 s[]; };               // (rows, c4)
#if STAGE == 0
layout(binding = 2) readonly buffer Base { float base; };                   // a score
layout(binding = 3) writeonly restrict buffer Rows { vec2 rows[]; };        // (rows): top, g
#else
layout(binding = 2) readonly restrict buffer F { vec4 f[]; };               // (c4)
#if STAGE == 1
layout(binding = 3) restrict buffer Rows { vec2 rows[]; };
#else
layout(binding = 3) readonly restrict buffer Rows { vec2 rows[]; };
layout(binding = 4) writeonly restrict buffer Y { vec4 y[]; };              // (rows, c4)
#endif
#endif

void main()
{
    uint row = row_index(), first = row * pc.c4;
    if (row >= pc.rows || (QUEUED == 1 && step_block.queue_on == 0))
        return;
#if STAGE == 0
    float top = LOWEST;
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        top = max(top, max4(only_row(s[first + j], j, LOWEST)));
    top = row_max(top);
    if (lane_index() == 0)
        rows[row] = vec2(top, (top - base) / pc.eps);
#else
    float top = rows[row].x, most = LOWEST, sum = 0;
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        most = max(most, max4(only_row((s[first + j] - top) / pc.eps + f[j], j, LOWEST)));
    most = row_max(most);
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        sum += sum4(only_row(exp_down((s[first + j] - top) / pc.eps + f[j] - most), j, 0));
    sum = row_sum(sum);
#if STAGE == 1
    if (lane_index() == 0)
        rows[row] = vec2(top, -(most + log(sum)));
#else
    for (uint j = lane_index(); j < pc.c4; j += LANES)
        y[first + j] = only_row(exp_down((s[first + j] - top) / pc.eps + f[j] - most) / sum, j, 0);
#endif
#endif
}
