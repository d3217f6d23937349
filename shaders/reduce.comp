// reduce -- y(chunk, kept) = sum of x over the chunk's items. Chunk j takes items j, j + chunks, ... in
// this order, so that results do not depend on timing.
#version 450
//: axis buffer:HALF=0 buffer_half:HALF=1
#extension GL_GOOGLE_include_directive : require
#include "load.glsl"
#include "pc_reduce.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform Block { vkd_pc_reduce pc; };
SOURCE(readonly restrict, 0, X);
layout(binding = 1) writeonly restrict buffer Y { vec4 y[]; };      // (chunks, outputs)

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    uint output_index = pc.neighbours != 0 ? i / pc.chunks : i % pc.outputs;
    uint chunk = pc.neighbours != 0 ? i % pc.chunks : i / pc.outputs;
    if (output_index >= pc.outputs || chunk >= pc.chunks)
        return;
    uint base = output_index / pc.kept_inner * pc.kept_stride[1] + output_index % pc.kept_inner * pc.kept_stride[0];
    vec4 sum = vec4(0);
    if (pc.item_inner == pc.items) {        // one group: no division
        for (uint r = chunk; r < pc.items; r += pc.chunks)
            sum += LOAD(X, base + r * pc.item_stride[0]);
    } else {
        for (uint r = chunk; r < pc.items; r += pc.chunks)
            sum += LOAD(X, base + r / pc.item_inner * pc.item_stride[1] + r % pc.item_inner * pc.item_stride[0]);
    }
    if (pc.across != 0)
        sum = vec4(sum.x + sum.y + sum.z + sum.w, 0, 0, 0);
    y[chunk * pc.outputs + output_index] = sum * pc.scale;
}
