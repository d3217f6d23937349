// linear.glsl -- a grid over `count` items, 4 per thread. 8 neighbouring threads take 8 neighbouring items, a cache line
// of vec4s; the next ones continue where these end, so that a driver that runs 8 at a time walks straight on.
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

// Item k (0 ... 3) of this thread.
uint linear_item(uint k)
{
    uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x, thread = gl_LocalInvocationID.x;
    return group * 256 + thread / 8 * 32 + k * 8 + thread % 8;
}
