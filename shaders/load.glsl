// load.glsl -- tensors by their vec4s. A kernel that includes this has some of the variants
//
//   axis buffer:TEXEL=0 texel:TEXEL=1 wide:TEXEL=1,WIDE64=1 buffer_half:TEXEL=0,HALF=1 texel_half:TEXEL=1,HALF=1
//
// and vkd__load_name chooses. TEXEL: sources are read through texel views, at a third of a storage buffer's cost on CPU
// drivers. WIDE64: results are stored as 64-bit integers besides, for the time such a driver takes to store goes by the
// number of scalars. HALF: what SOURCE and RESULT declare is stored in 16 bits, as two words for four elements, which
// takes no feature of a device; specialisation constant 0 says how: 0 f16, 1 bf16. Arithmetic is f32 always, and
// SOURCE_F32 and RESULT_F32 declare what is always stored so. LOAD and LOAD_F32 read vec4 number i, STORE and STORE_F32
// write it.
#ifndef TEXEL
#define TEXEL 0
#endif
#ifndef HALF
#define HALF 0
#endif
#ifndef WIDE64
#define WIDE64 0
#endif

#if WIDE64
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#define WORDS_F32 u64vec2
vec4 unpack_f32(u64vec2 w) { return uintBitsToFloat(uvec4(unpackUint2x32(w.x), unpackUint2x32(w.y))); }
u64vec2 pack_f32(vec4 v) { return u64vec2(packUint2x32(floatBitsToUint(v.xy)), packUint2x32(floatBitsToUint(v.zw))); }
#else
#define WORDS_F32 vec4
vec4 unpack_f32(vec4 v) { return v; }
vec4 pack_f32(vec4 v) { return v; }
#endif

#if HALF
layout(constant_id = 0) const uint BFLOAT = 0;

// Selections, not branches: unrolled tiles would have hundreds, which some drivers take minutes to compile.
vec2 unpack(uint w)
{
    return mix(unpackHalf2x16(w), uintBitsToFloat(uvec2(w << 16, w & 0xffff0000u)), bvec2(BFLOAT == 1));
}

vec4 unpack(uvec2 w) { return vec4(unpack(w.x), unpack(w.y)); }

// To the nearest, ties to even; too large is infinite. Of packHalf2x16 neither is certain, and a loss scale relies on
// both.
uvec4 f16_bits(vec4 v)
{
    uvec4 b = floatBitsToUint(v), m = b & 0x7fffffffu;
    uvec4 h = (m + 0xc8000fffu + (m >> 13 & 1u)) >> 13;
    // 0.5 has the last place of a denormal half: the addition rounds.
    h = mix(h, floatBitsToUint(uintBitsToFloat(m) + 0.5) - 0x3f000000u, lessThan(m, uvec4(0x38800000u)));
    h = mix(h, uvec4(0x7c00u), greaterThanEqual(m, uvec4(0x47800000u)));
    h = mix(h, uvec4(0x7e00u), greaterThan(m, uvec4(0x7f800000u)));
    return h | b >> 16 & 0x8000u;
}

uvec4 bf16_bits(vec4 v)
{
    uvec4 b = floatBitsToUint(v);
    return mix(b + 0x7fffu + (b >> 16 & 1u), b | 0x400000u, greaterThan(b & 0x7fffffffu, uvec4(0x7f800000u))) >> 16;
}

uvec2 pack(vec4 v)
{
    uvec4 h = mix(f16_bits(v), bf16_bits(v), bvec4(BFLOAT == 1));
    return h.xz | h.yw << 16;
}

#define WORDS uvec2
#else
#define WORDS WORDS_F32
#define pack pack_f32
#define unpack unpack_f32
#endif

#if TEXEL
#define SOURCE_F32(qualifiers, number, name) layout(binding = number) uniform samplerBuffer name
#define LOAD_F32(name, i) texelFetch(name, int(i))
#else
#define SOURCE_F32(qualifiers, number, name) layout(binding = number) qualifiers buffer name##_ { vec4 name[]; }
#define LOAD_F32(name, i) name[i]
#endif

#if TEXEL && HALF
#define SOURCE(qualifiers, number, name) layout(binding = number) uniform usamplerBuffer name
#define LOAD(name, i) unpack(texelFetch(name, int(i)).xy)
#elif HALF
#define SOURCE(qualifiers, number, name) layout(binding = number) qualifiers buffer name##_ { uvec2 name[]; }
#define LOAD(name, i) unpack(name[i])
#else
#define SOURCE SOURCE_F32
#define LOAD LOAD_F32
#endif

#define RESULT(qualifiers, number, name) layout(binding = number) qualifiers buffer name##_ { WORDS name[]; }
#define STORE(name, i, v) name[i] = pack(v)

#define RESULT_F32(qualifiers, number, name) layout(binding = number) qualifiers buffer name##_ { WORDS_F32 name[]; }
#define STORE_F32(name, i, v) name[i] = pack_f32(v)
