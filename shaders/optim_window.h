// optim_window.h -- GLSL: what every kernel over the chunk table begins with.
#ifndef VKD_OPTIM_WINDOW_H
#define VKD_OPTIM_WINDOW_H
#include "step_block.h"
#include "metrics_block.h"
#include "optim_table.h"
#include "pc_optim.h"

layout(local_size_x = VKD_OPTIM_LOCAL) in;
layout(push_constant) uniform Push { vkd_pc_optim pc; };
layout(std430, binding = 0) readonly restrict buffer Chunks { vkd_optim_chunk chunks[]; };
layout(std430, binding = 1) readonly restrict buffer Step { vkd_step_block now; };

// The chunk of this workgroup, with `quad` counted from the start of the bound ranges.
vkd_optim_chunk this_chunk()
{
    vkd_optim_chunk c = chunks[pc.chunk + gl_WorkGroupID.x];
    c.quad -= pc.quad;
    return c;
}

// The learning rate of a chunk; 0 where nothing of it may be touched in this step.
float rate_of(vkd_optim_chunk c)
{
    return now.group_lr[c.group] * c.lr_factor;
}

// What a raw gradient is multiplied by: the step's factor, but groups beside are not clipped.
float factor_of(vkd_optim_chunk c, float grad_factor, float raw_factor)
{
    return (now.beside >> c.group & 1u) != 0u ? raw_factor : grad_factor;
}

// Visits the quads of chunk `c` that belong to this invocation.
#define VKD_FOR_QUADS(i, c) \
    for (uint i = (c).quad + gl_LocalInvocationID.x; i < (c).quad + (c).quad_count; i += VKD_OPTIM_LOCAL)
#endif
