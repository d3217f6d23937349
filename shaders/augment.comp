// augment -- crops, resizes, mirrors and normalises a batch of RGBA8 images: views without operations
// on colours. One thread makes up to four pixels of a row.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "augment_draw.h"
#include "batch_image.h"
#include "step_block.h"
#include "augment_resize.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_augment pc; };
layout(binding = 0, std430) readonly restrict buffer Table { vkd_batch_entry table[]; };
layout(binding = 2, std430) readonly restrict buffer Step { vkd_step_block step_block; };
layout(binding = 3) writeonly restrict buffer Y { vec4 y[]; };                  // (batch, size, size, 1)

void main()
{
    uint size = pc.crop.size, quarter = (size + 3) / 4;
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.batch * size * quarter)
        return;
    uint line = i / quarter, n = line / size, row = line % size;
    bool exists = n < step_block.image_count;
    vkd_batch_entry image = table[n];
    vkd_view v;
    if (exists)
        v = vkd_augment_view(pc.crop, image.width, image.height, image.index, step_block.seed[0], step_block.seed[1],
                             step_block.epoch);
    for (uint x = i % quarter; x < size; x += quarter) {
        precise vec4 value = vec4(0);       // no fused operations: one rounding everywhere
        if (exists) {
            vec3 c = viewed(v, image.ofs, image.width, size, row, x);
            value.x = c.x * pc.gain[0] + pc.bias[0];
            if (pc.channels == 3) {
                value.y = c.y * pc.gain[1] + pc.bias[1];
                value.z = c.z * pc.gain[2] + pc.bias[2];
            }
        }
        y[line * size + x] = value;
    }
}
