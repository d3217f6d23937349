// asl_back -- with the parts of asl.glsl and w = base^gamma: dx = weight dloss (((1 - y) dn - y q) w), dn = p q / n
// where n moves with x; with focal_grad plus log_loss dw/dx. 0 where the target is unknown. One thread per vec4.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "nan.glsl"
#include "pc_rows.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_rows pc; };
#include "asl.glsl"
layout(binding = 0) readonly restrict buffer DLoss { float dloss; };
layout(binding = 1) readonly restrict buffer Weight { float weight; };
layout(binding = 2) readonly restrict buffer X { vec4 x[]; };               // (rows, c4)
layout(binding = 3) readonly restrict buffer T { vec4 target[]; };          // (rows, c4)
layout(binding = 4) writeonly restrict buffer DX { vec4 dx[]; };            // (rows, c4)

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= pc.rows * pc.c4)
        return;
    vec4 v = x[i], y = target[i];
    asl_parts a = asl_of(v, y);
    vec4 moving = mix(vec4(0), a.p, a.past_clip);
    vec4 dn = pc.clip > 0 ? moving * a.q / a.n : moving;
    vec4 d = ((1 - y) * dn - y * a.q) * asl_power(a.base, a.gamma);
    if (pc.focal_grad > 0) {
        vec4 dbase = (1 - y) * moving * a.q - y * a.p * a.q;
        vec4 dw = a.gamma * asl_power(a.base, a.gamma - 1) * dbase;
        d += a.log_loss * mix(vec4(0), dw, greaterThan(a.gamma, vec4(0)));
    }
    d = mix(d * (weight * dloss), v + y, is_nan(v + y));
    uvec4 channel = 4 * (i % pc.c4) + uvec4(0, 1, 2, 3);
    d = mix(d, vec4(0), lessThan(y, vec4(0)));
    dx[i] = mix(vec4(0), d, lessThan(channel, uvec4(pc.c)));
}
