// max_pool_back -- dx = sum of dy over the windows whose maximum this pixel was, in row-major order.
#version 450
//: axis buffer:HALF=0 buffer_half:HALF=1
#extension GL_GOOGLE_include_directive : require
#include "load.glsl"
#include "pool.glsl"
SOURCE(readonly restrict, 0, DY);                                           // (n, oh, ow, c4)
layout(binding = 1) readonly restrict buffer Where { uvec4 where_in[]; };   // (n, oh, ow, c4)
RESULT(writeonly restrict, 2, DX);                                          // (n, h, w, c4)

void main()
{
    uint i = linear_index();
    if (i >= pc.n * pc.h * pc.w * pc.c4)
        return;
    position p = unravel(i, pc.h, pc.w);
    uvec2 rows = windows_with(p.row, 0, pc.oh), cols = windows_with(p.col, 1, pc.ow);
    vec4 sum = vec4(0);
    for (uint r = rows.x; r < rows.y; r++) {
        for (uint s = cols.x; s < cols.y; s++) {
            uint at = ((p.n * pc.oh + r) * pc.ow + s) * pc.c4 + p.c4;
            uint here = (p.row + pc.pad[0] - r * pc.stride[0]) * pc.kernel[1] + p.col + pc.pad[1] - s * pc.stride[1];
            sum += mix(vec4(0), LOAD(DY, at), equal(where_in[at], uvec4(here)));
        }
    }
    STORE(DX, i, sum);
}
