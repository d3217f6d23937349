// filter_cosine_back -- the matrix that the filters are multiplied with: m_ij = s gram_ij (inverse_i inverse_j)^2,
// m_ii = -s alike_i inverse_i^2, s = alpha dloss. One thread per vec4.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pc_rows.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_rows pc; };
layout(binding = 0) readonly restrict buffer DLoss { float dloss; };
layout(binding = 1) readonly restrict buffer Gram { vec4 gram[]; };             // (c, c4)
layout(binding = 2) readonly restrict buffer Inverse { vec4 inverse[]; };       // (c4)
layout(binding = 3) readonly restrict buffer Alike { vec4 alike[]; };           // (c4)
layout(binding = 4) writeonly restrict buffer M { vec4 m[]; };                  // (c, c4)

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.rows * pc.c4)
        return;
    uint row = i / pc.c4, j = i % pc.c4;
    float own = inverse[row / 4][row % 4];
    vec4 both = own * inverse[j];
    bvec4 self = equal(4 * j + uvec4(0, 1, 2, 3), uvec4(row));
    m[i] = pc.alpha * dloss * mix(gram[i] * both * both, -alike[j] * both, self);
}
