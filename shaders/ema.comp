// ema -- e = d * e + (1 - d) * p over a flat window, unless the step was rejected.
#version 450
#include "step_block.h"
#include "metrics_block.h"
#include "pc_optim.h"
#include "optim_table.h"

layout(local_size_x = VKD_OPTIM_LOCAL) in;
layout(push_constant) uniform Push { vkd_pc_optim_list pc; };
layout(std430, binding = 0) readonly restrict buffer Step { vkd_step_block now; };
layout(std430, binding = 1) readonly restrict buffer Metrics { vkd_metrics_block metrics; };
layout(std430, binding = 2) readonly restrict buffer P { vec4 p[]; };
layout(std430, binding = 3) restrict buffer E { vec4 e[]; };

void main()
{
    if (metrics.nonfinite != 0u)
        return;
    uint base = gl_WorkGroupID.x * 4u * VKD_OPTIM_LOCAL + gl_LocalInvocationID.x;
    for (uint k = 0u; k < 4u; k++) {
        uint i = base + k * VKD_OPTIM_LOCAL;
        if (i >= pc.count)
            return;
        e[i] = now.ema_decay * e[i] + (1.0 - now.ema_decay) * p[i];
    }
}
