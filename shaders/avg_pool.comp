// avg_pool -- forward: y = mean over the window; backward: dx = sum of dy / count over the windows
// that contain the pixel, in row-major order.
//: axis forward:BACKWARD=0 backward:BACKWARD=1
//: axis buffer:HALF=0 buffer_half:HALF=1
#version 450
#extension GL_GOOGLE_include_directive : require
#include "load.glsl"
#include "pool.glsl"
SOURCE(readonly restrict, 0, From);     // x (n, h, w, c4), or dy (n, oh, ow, c4)
RESULT(writeonly restrict, 1, To);      // y (n, oh, ow, c4), or dx (n, h, w, c4)

// What window (row, col) divides by.
float divisor(uvec2 rows, uvec2 cols)
{
    return float(pc.count_pad != 0 ? pc.kernel[0] * pc.kernel[1] : (rows.y - rows.x) * (cols.y - cols.x));
}

void main()
{
    uint i = linear_index();
    vec4 sum = vec4(0);
#if BACKWARD
    if (i >= pc.n * pc.h * pc.w * pc.c4)
        return;
    position p = unravel(i, pc.h, pc.w);
    uvec2 rows = windows_with(p.row, 0, pc.oh), cols = windows_with(p.col, 1, pc.ow);
    for (uint r = rows.x; r < rows.y; r++)
        for (uint s = cols.x; s < cols.y; s++)
            sum += LOAD(From, ((p.n * pc.oh + r) * pc.ow + s) * pc.c4 + p.c4)
                   / divisor(window(r, 0, pc.h), window(s, 1, pc.w));
    STORE(To, i, sum);
#else
    if (i >= pc.n * pc.oh * pc.ow * pc.c4)
        return;
    position o = unravel(i, pc.oh, pc.ow);
    uvec2 rows = window(o.row, 0, pc.h), cols = window(o.col, 1, pc.w);
    for (uint r = rows.x; r < rows.y; r++)
        for (uint s = cols.x; s < cols.y; s++)
            sum += LOAD(From, ((o.n * pc.h + r) * pc.w + s) * pc.c4 + o.c4);
    STORE(To, i, sum / divisor(rows, cols));
#endif
}
