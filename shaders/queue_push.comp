// queue_push -- row (queue_row + r) % rows of the queue = row r of the keys.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "pc_index.h"
#include "step_block.h"
layout(push_constant) uniform Block { vkd_pc_queue pc; };
layout(binding = 0) readonly restrict buffer Keys { vec4 keys[]; };         // (count)
layout(binding = 1) readonly restrict buffer Step { vkd_step_block step_block; };
layout(binding = 2) writeonly restrict buffer Queue { vec4 queue[]; };      // (rows, c4)

void main()
{
    uint first = step_block.queue_row % pc.rows;
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k);
        if (i < pc.count)
            queue[(first + i / pc.c4) % pc.rows * pc.c4 + i % pc.c4] = keys[i];
    }
}
