// grad_accumulate -- acc = keep * acc + g over a flat window.
#version 450
#include "step_block.h"
#include "pc_optim.h"
#include "optim_table.h"

layout(local_size_x = VKD_OPTIM_LOCAL) in;
layout(push_constant) uniform Push { vkd_pc_optim_list pc; };
layout(std430, binding = 0) readonly restrict buffer Step { vkd_step_block now; };
layout(std430, binding = 1) readonly restrict buffer G { vec4 g[]; };
layout(std430, binding = 2) restrict buffer Acc { vec4 acc[]; };

void main()
{
    uint base = gl_WorkGroupID.x * 4u * VKD_OPTIM_LOCAL + gl_LocalInvocationID.x;
    for (uint k = 0u; k < 4u; k++) {
        uint i = base + k * VKD_OPTIM_LOCAL;
        if (i >= pc.count)
            return;
        // Not 0 * acc: an earlier NaN would stay for ever.
        acc[i] = now.grad_keep == 0.0 ? g[i] : now.grad_keep * acc[i] + g[i];
    }
}
