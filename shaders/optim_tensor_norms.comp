// optim_tensor_norms -- per tensor: the square roots of the sums of its chunks' partial sums.
#version 450
#include "optim_reduce.h"

layout(local_size_x = VKD_OPTIM_LOCAL) in;
layout(std430, binding = 0) readonly restrict buffer Tensors { vkd_optim_tensor tensors[]; };
layout(std430, binding = 1) readonly restrict buffer Partials { vec2 partials[]; };
layout(std430, binding = 2) writeonly restrict buffer Norms { vec2 norms[]; };

void main()
{
    uint index = gl_WorkGroupID.x;
    vkd_optim_tensor t = tensors[index];
    vec2 sum = vec2(0.0);
    for (uint i = gl_LocalInvocationID.x; i < t.chunk_count; i += VKD_OPTIM_LOCAL)
        sum += partials[t.chunk + i];
    sum = reduce_workgroup(sum);
    if (gl_LocalInvocationID.x == 0u)
        norms[index] = sqrt(sum);
}
