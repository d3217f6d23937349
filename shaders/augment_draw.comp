// augment_draw -- makes the random draws of a batch, one thread per image.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "augment_draw.h"
#include "batch_image.h"
#include "step_block.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_augment_draw pc; };
layout(binding = 0, std430) readonly restrict buffer Table { vkd_batch_entry table[]; };
layout(binding = 1, std430) readonly restrict buffer Step { vkd_step_block step_block; };
layout(binding = 2, std430) writeonly restrict buffer Drawn { vkd_augment_drawn drawn[]; };     // (batch)

void main()
{
    uint n = gl_GlobalInvocationID.x;
    if (n >= min(pc.batch, step_block.image_count))
        return;
    drawn[n] = vkd_augment_draw(pc, table[n].width, table[n].height, table[n].index, step_block.seed[0],
                                step_block.seed[1], step_block.epoch);
}
