// batch_norm.glsl -- what the batch_norm kernels share: who owns which rows, activation and its mask.
#include "pc_batch_norm.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_batch_norm pc; };
layout(constant_id = 1) const uint ACTIVATION = 0;     // enum vkd_activation; constant 0 is that of load.glsl
layout(constant_id = 2) const uint RESIDUAL = 0;
const uint BLOCK = 16;          // rows that are summed by themselves, which rounds less

uint linear_index()
{
    return (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
}

uint chunk_row(uint chunk) { return chunk / pc.lanes * pc.lanes * pc.per_thread + chunk % pc.lanes; }

// Rows of `chunk` that exist.
uint chunk_count(uint chunk)
{
    uint row = chunk_row(chunk);
    return row < pc.rows ? min((pc.rows - row + pc.lanes - 1) / pc.lanes, pc.per_thread) : 0;
}

// Comparisons instead of max and min: a NaN stays a NaN.
vec4 activate(vec4 v)
{
    if (ACTIVATION >= 1)
        v = mix(v, vec4(0), lessThan(v, vec4(0)));
    if (ACTIVATION == 2)
        v = mix(v, vec4(6), greaterThan(v, vec4(6)));
    return v;
}

// Without fused operations, so that backward finds the very value that forward activated. The
// difference comes first: it is exact where |mean| >> std.
vec4 normalize_channel(vec4 x, vec4 mean, vec4 scale, vec4 shift)
{
    precise vec4 v = (x - mean) * scale + shift;
    return v;
}

// dy where the activation let y through, else 0; y before the activation serves as well.
vec4 mask(vec4 dy, vec4 y)
{
    if (ACTIVATION >= 1)
        dy = mix(vec4(0), dy, greaterThan(y, vec4(0)));
    if (ACTIVATION == 2)
        dy = mix(vec4(0), dy, lessThan(y, vec4(6)));
    return dy;
}

bvec4 channel_exists(uint c4) { return lessThan(4 * c4 + uvec4(0, 1, 2, 3), uvec4(pc.c)); }
