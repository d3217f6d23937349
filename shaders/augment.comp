// augment -- crops, resizes, mirrors and normalises a batch of RGBA8 images. One thread makes up to
// four pixels of a row.
//
// Resizing is the antialiased triangle filter aligned as in PIL: output pixel o of a resize from `in`
// to `out` weighs input pixel x by max(0, 1 - |x + 1/2 - (o + 1/2) in / out| / max(in / out, 1)), here
// times 2 max(in, out), which is an integer.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "augment_draw.h"
#include "batch_image.h"
#include "step_block.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_augment pc; };
layout(binding = 0, std430) readonly restrict buffer Table { vkd_batch_entry table[]; };
layout(binding = 1) readonly restrict buffer Pixels { uint pixels[]; };         // RGBA8
layout(binding = 2, std430) readonly restrict buffer Step { vkd_step_block step_block; };
layout(binding = 3) writeonly restrict buffer Y { vec4 y[]; };                  // (batch, size, size, 1)

const uint TAPS_MAX = 64;       // per axis; of a longer filter every k-th tap is taken

struct taps { uint first, end, stride; int centre, reach; };

taps taps_of(uint o, uint from, uint to)
{
    int centre = int((2 * o + 1) * from), reach = int(2 * max(from, to)), start = centre - reach + int(to);
    uint first = start > 0 ? uint(start) / (2 * to) : 0, end = min(uint(centre + reach + int(to)) / (2 * to), from);
    return taps(first, end, (end - first + TAPS_MAX - 1) / TAPS_MAX, centre, reach);
}

float weight(taps t, uint i, uint to) { return float(max(t.reach - abs(int((2 * i + 1) * to) - t.centre), 0)); }

vec3 pixel(uint at)
{
    uint p = pixels[at];
    return vec3(p & 255u, p >> 8 & 255u, p >> 16 & 255u);
}

// Value of the resized image at (row, col).
vec3 resized(vkd_view v, uint ofs, uint width, uint row, uint col)
{
    if (v.w == v.rw && v.h == v.rh)
        return pixel(ofs + (v.y + row) * width + v.x + col);
    taps rows = taps_of(row, v.h, v.rh), cols = taps_of(col, v.w, v.rw);
    vec3 sum = vec3(0);
    float row_weights = 0, col_weights = 0;
    for (uint j = cols.first; j < cols.end; j += cols.stride)
        col_weights += weight(cols, j, v.rw);
    for (uint i = rows.first; i < rows.end; i += rows.stride) {
        float w = weight(rows, i, v.rh);
        uint at = ofs + (v.y + i) * width + v.x;
        vec3 line = vec3(0);
        for (uint j = cols.first; j < cols.end; j += cols.stride)
            line += weight(cols, j, v.rw) * pixel(at + j);
        sum += w * (line / col_weights);
        row_weights += w;
    }
    return sum / row_weights;
}

void main()
{
    uint quarter = (pc.size + 3) / 4, i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64
                                          + gl_LocalInvocationID.x;
    if (i >= pc.batch * pc.size * quarter)
        return;
    uint line = i / quarter, n = line / pc.size, row = line % pc.size;
    bool exists = n < step_block.image_count;
    vkd_batch_entry image = table[n];
    vkd_view v;
    if (exists)
        v = vkd_augment_view(pc, image.width, image.height, image.index, step_block.seed[0], step_block.seed[1],
                             step_block.epoch);
    for (uint x = i % quarter; x < pc.size; x += quarter) {
        precise vec4 value = vec4(0);       // no fused operations: one rounding everywhere
        if (exists) {
            int from_row = int(row) + v.top, from_col = int(v.flip == 1u ? pc.size - 1 - x : x) + v.left;
            vec3 c = vec3(0);
            if (from_row >= 0 && from_row < int(v.rh) && from_col >= 0 && from_col < int(v.rw))
                c = resized(v, image.ofs, image.width, uint(from_row), uint(from_col));
            value.x = c.x * pc.gain[0] + pc.bias[0];
            if (pc.channels == 3) {
                value.y = c.y * pc.gain[1] + pc.bias[1];
                value.z = c.z * pc.gain[2] + pc.bias[2];
            }
        }
        y[line * pc.size + x] = value;
    }
}
