// augment_blur -- the Gaussian blur of large images, along rows (y to x) and then columns (x to y, with the
// steps that follow). Images that drew no blur are passed over.
//: axis rows:ROWS=1 columns:ROWS=0
#version 450
#extension GL_GOOGLE_include_directive : require
#include "augment_photo.glsl"
#include "step_block.h"
layout(local_size_x = 128) in;
layout(binding = 0, std430) readonly restrict buffer Step { vkd_step_block step_block; };
layout(binding = 1, std430) readonly restrict buffer Drawn { vkd_augment_drawn drawn[]; };  // (batch)
layout(binding = 2) readonly restrict buffer From { vec4 from[]; };             // (batch, size, size, 1)
layout(binding = 3) writeonly restrict buffer To { vec4 to[]; };

void main()
{
    uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x, n = group / pc.chunks;
    uint pixel_count = pc.size * pc.size, base = n * pixel_count;
    uint first = group % pc.chunks * PIXELS, end = min(first + PIXELS, pixel_count);
    if (n >= min(pc.batch, step_block.image_count) || !has(drawn[n], VKD_OP_BLUR))
        return;
    vkd_augment_drawn d = drawn[n];
    blur_prepare(d.sigma);
    float total = blur_total();
    int half_size = int(pc.blur_half);
    for (uint p = first + gl_LocalInvocationID.x; p < end; p += LOCAL) {
        uint row = p / pc.size, col = p % pc.size;
        vec3 sum = vec3(0);
        for (int i = -half_size; i <= half_size; i++) {
            uint at = ROWS == 1 ? p - col + reflected(int(col) + i) : reflected(int(row) + i) * pc.size + col;
            sum += blur_weights[abs(i)] * from[base + at].xyz;
        }
        sum /= total;
        to[base + p] = ROWS == 1 ? vec4(sum, 0) : finished(sum, d);
    }
}
