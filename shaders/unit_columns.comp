// unit_columns -- w[:, k] /= max(|w[:, k]|, 1e-12) in place (torch.nn.functional.normalize over dim 0), unless the
// step was rejected. W (rows, columns), four columns per invocation.
#version 450
#include "metrics_block.h"
#include "pc_unit_columns.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { vkd_pc_unit_columns pc; };
layout(std430, binding = 0) readonly restrict buffer Metrics { vkd_metrics_block metrics; };
layout(std430, binding = 1) restrict buffer W { vec4 w[]; };

void main()
{
    uint k = gl_GlobalInvocationID.x;
    if (metrics.nonfinite != 0u || k >= pc.columns4)
        return;
    vec4 sum = vec4(0.0);
    for (uint c = 0u, i = k; c < pc.rows; c++, i += pc.columns4)
        sum += w[i] * w[i];
    vec4 by = 1.0 / max(sqrt(sum), vec4(1e-12));
    for (uint c = 0u, i = k; c < pc.rows; c++, i += pc.columns4)
        w[i] *= by;
}
