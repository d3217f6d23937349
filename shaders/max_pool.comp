// max_pool -- y = max over the window, and where in the window it was (row-major, kernel[1] wide).
//
// The first of equal values wins, and a NaN wins over all, the last of several, as in PyTorch.
#version 450
//: axis buffer:HALF=0 buffer_half:HALF=1
#extension GL_GOOGLE_include_directive : require
#include "nan.glsl"
#include "load.glsl"
#include "pool.glsl"
SOURCE(readonly restrict, 0, X);                                            // (n, h, w, c4)
RESULT(writeonly restrict, 1, Y);                                           // (n, oh, ow, c4)
layout(binding = 2) writeonly restrict buffer Where { uvec4 where_out[]; }; // (n, oh, ow, c4)

void main()
{
    uint i = linear_index();
    if (i >= pc.n * pc.oh * pc.ow * pc.c4)
        return;
    position o = unravel(i, pc.oh, pc.ow);
    uvec2 rows = window(o.row, 0, pc.h), cols = window(o.col, 1, pc.w);
    int top = int(o.row * pc.stride[0]) - int(pc.pad[0]), left = int(o.col * pc.stride[1]) - int(pc.pad[1]);
    uint first = uint(int(rows.x) - top) * pc.kernel[1] + uint(int(cols.x) - left);
    vec4 best = LOAD(X, ((o.n * pc.h + rows.x) * pc.w + cols.x) * pc.c4 + o.c4);
    uvec4 place = uvec4(first);
    for (uint r = rows.x; r < rows.y; r++) {
        for (uint s = cols.x; s < cols.y; s++) {
            vec4 v = LOAD(X, ((o.n * pc.h + r) * pc.w + s) * pc.c4 + o.c4);
            uint here = uint(int(r) - top) * pc.kernel[1] + uint(int(s) - left);
            uvec4 wins = uvec4(greaterThan(v, best)) | uvec4(is_nan(v));
            best = mix(best, v, bvec4(wins));
            place = mix(place, uvec4(here), bvec4(wins));
        }
    }
    STORE(Y, i, best);
    where_out[i] = mix(uvec4(0), place, lessThan(4 * o.c4 + uvec4(0, 1, 2, 3), uvec4(pc.c)));
}
