// teacher -- t = d t + (1 - d) s over a table of chunks, unless the step was rejected.
#version 450
#include "step_block.h"
#include "metrics_block.h"
#include "pc_teacher.h"

layout(local_size_x = VKD_TEACHER_LOCAL) in;
layout(push_constant) uniform Push { vkd_pc_teacher pc; };
layout(std430, binding = 0) readonly restrict buffer Chunks { vkd_teacher_chunk chunks[]; };
layout(std430, binding = 1) readonly restrict buffer Step { vkd_step_block now; };
layout(std430, binding = 2) readonly restrict buffer Metrics { vkd_metrics_block metrics; };
layout(std430, binding = 3) restrict buffer T { vec4 t[]; };
layout(std430, binding = 4) readonly restrict buffer S { vec4 s[]; };

void main()
{
    float d = now.teacher_decay;
    if (metrics.nonfinite != 0u || d == 1.0)
        return;
    vkd_teacher_chunk c = chunks[pc.chunk + gl_WorkGroupID.x];
    uint to = c.teacher - pc.teacher, from = c.student - pc.student;
    for (uint i = gl_LocalInvocationID.x; i < c.quad_count; i += VKD_TEACHER_LOCAL)
        t[to + i] = d * t[to + i] + (1.0 - d) * s[from + i];
}
