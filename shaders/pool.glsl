// pool.glsl -- what the pooling kernels share: one thread per vec4 of the tensor it writes.
#include "pc_pool.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_pool pc; };

uint linear_index()
{
    return (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
}

// Position of vec4 `i` of an (n, rows, cols, c4) tensor.
struct position { uint n, row, col, c4; };
position unravel(uint i, uint rows, uint cols)
{
    uint pixel = i / pc.c4, line = pixel / cols;
    return position(line / rows, line % rows, pixel % cols, i % pc.c4);
}

// Window `o` along dimension d: first and last-plus-one input coordinate inside the image.
uvec2 window(uint o, uint d, uint size)
{
    int first = int(o * pc.stride[d]) - int(pc.pad[d]);
    return uvec2(max(first, 0), min(first + int(pc.kernel[d]), int(size)));
}

// Windows along dimension d that contain coordinate i: first and last-plus-one.
uvec2 windows_with(uint i, uint d, uint count)
{
    uint at = i + pc.pad[d];
    uint first = at < pc.kernel[d] ? 0 : (at - pc.kernel[d]) / pc.stride[d] + 1;
    return uvec2(first, min(at / pc.stride[d] + 1, count));
}
