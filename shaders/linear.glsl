// linear.glsl -- a grid over `count` items, 4 per thread; neighbouring threads take neighbouring items.
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

// Item k (0 ... 3) of this thread.
uint linear_item(uint k)
{
    return (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 256 + k * 64 + gl_LocalInvocationID.x;
}
