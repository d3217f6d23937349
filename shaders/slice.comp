// slice -- copies channels of each pixel from one place to another: slices, their gradients, and the
// parts of concatenations. Lanes outside lo ... hi-1 become 0; `merge` keeps those below lo. Bits, not
// numbers: u32 tensors are copied too, and no bit of a float changes.
#version 450
//: axis copy:MERGE=0,HALF=0 merge:MERGE=1,HALF=0 copy_half:MERGE=0,HALF=1 merge_half:MERGE=1,HALF=1
#extension GL_GOOGLE_include_directive : require
#include "linear.glsl"
#include "pc_slice.h"
layout(push_constant) uniform Block { vkd_pc_slice pc; };
#if HALF
#define WORDS uvec2
uvec4 spread(uvec2 w) { return uvec4(w.x & 0xffffu, w.x >> 16, w.y & 0xffffu, w.y >> 16); }
uvec2 join(uvec4 v) { return v.xz | v.yw << 16; }
#else
#define WORDS uvec4
uvec4 spread(uvec4 w) { return w; }
uvec4 join(uvec4 v) { return v; }
#endif
layout(binding = 0) readonly restrict buffer X { WORDS x[]; };   // (rows, x_width)
#if MERGE
layout(binding = 1) restrict buffer Y { WORDS y[]; };            // (rows, y_width)
#else
layout(binding = 1) writeonly restrict buffer Y { WORDS y[]; };
#endif

uvec4 load(uint row, int i)
{
    return i >= 0 && i < int(pc.x_width) ? spread(x[row * pc.x_width + uint(i)]) : uvec4(0);
}

void main()
{
    for (uint k = 0; k < 4; k++) {
        uint i = linear_item(k), row = i / pc.width, col = pc.first + i % pc.width;
        if (row >= pc.rows)
            return;
        int lane = int(4 * col), source = lane - pc.lo + pc.from;
        uvec4 v = load(row, source >> 2);
        if ((source & 3) != 0) {
            uvec4 w = load(row, (source >> 2) + 1);
            v = (source & 3) == 1 ? uvec4(v.yzw, w.x) : (source & 3) == 2 ? uvec4(v.zw, w.xy) : uvec4(v.w, w.xyz);
        }
        ivec4 lanes = lane + ivec4(0, 1, 2, 3);
        uint at = row * pc.y_width + col;
        v = mix(v, uvec4(0), greaterThanEqual(lanes, ivec4(pc.hi)));
#if MERGE
        y[at] = join(mix(v, spread(y[at]), lessThan(lanes, ivec4(pc.lo))));
#else
        y[at] = join(mix(v, uvec4(0), lessThan(lanes, ivec4(pc.lo))));
#endif
    }
}
