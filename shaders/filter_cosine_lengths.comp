// filter_cosine_lengths -- inverse_k = 1 / sqrt(gram_kk), 0 for a filter shorter than 1e-12. One thread per vec4.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pc_rows.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_rows pc; };
layout(binding = 0) readonly restrict buffer Gram { vec4 gram[]; };             // (c, c4)
layout(binding = 1) writeonly restrict buffer Inverse { vec4 inverse[]; };      // (c4)

void main()
{
    uint j = gl_GlobalInvocationID.x;
    if (j >= pc.c4)
        return;
    vec4 square = vec4(0);
    for (uint k = 0; k < 4 && 4 * j + k < pc.c; k++)
        square[k] = gram[(4 * j + k) * pc.c4 + j][k];
    inverse[j] = mix(1 / sqrt(square), vec4(0), lessThan(square, vec4(1e-24)));
}
