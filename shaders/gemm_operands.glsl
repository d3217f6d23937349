// gemm_operands.glsl -- C = A B as vec4s of storage. In 16 bits are, of the variants HALF, A and C; with A_T, where C is
// a weight's gradient, A and B. The others are f32, and so are parts of C that are summed up elsewhere (WIDE).
#include "load.glsl"

SOURCE(readonly restrict, 0, A);
#if A_T
SOURCE(readonly restrict, 1, B);
#define LOAD_B(i) LOAD(B, i)
#else
SOURCE_F32(readonly restrict, 1, B);
#define LOAD_B(i) LOAD_F32(B, i)
#endif

#if HALF && !A_T
layout(constant_id = 1) const uint WIDE = 0;
RESULT(writeonly restrict, 2, C);

void store_c(uint i, vec4 v)
{
    if (WIDE == 1) {
        C[2 * i] = floatBitsToUint(v.xy);
        C[2 * i + 1] = floatBitsToUint(v.zw);
    } else {
        STORE(C, i, v);
    }
}
#else
RESULT_F32(writeonly restrict, 2, C);

void store_c(uint i, vec4 v) { STORE_F32(C, i, v); }
#endif
