//: axis f32:T=vec4,S=float f16:T=f16vec4,S=float16_t,F16=1
// bench_fma -- independent chains of multiply-adds, for the arithmetic peak of the roofline.
#version 450
#ifdef F16
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif
#include "pc_bench.h"
layout(local_size_x = 64) in;
layout(push_constant) uniform block { vkd_pc_bench pc; };
layout(binding = 0) writeonly restrict buffer Y { float y[]; };

void main()
{
    T a[8];
    T f = T(S(pc.factor));
    for (int k = 0; k < 8; k++)
        a[k] = T(S(float(gl_LocalInvocationID.x + uint(k)) * 0.001));
    for (uint i = 0u; i < pc.count; i++)
        for (int u = 0; u < VKD_BENCH_FMAS / 8; u++)
            for (int k = 0; k < 8; k++)
                a[k] = a[k] * f + f;
    T sum = a[0];
    for (int k = 1; k < 8; k++)
        sum += a[k];
    y[gl_GlobalInvocationID.x] = float(sum.x + sum.y + sum.z + sum.w);
}
