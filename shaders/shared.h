// shared.h -- the bridge that lets one definition serve C and GLSL.
//
// Headers shared by both may hold only u32/i32/f32 scalars, arrays of them, and #defines. No vec3,
// no bool, no pointers: then std430 and the C ABI agree byte for byte.
#ifndef VKD_SHARED_H
#define VKD_SHARED_H

#ifdef VKD_GLSL
  #define u32 uint
  #define i32 int
  #define f32 float
  #define VKD_PC_CHECK(T)
#else
  #include <stdint.h>
  typedef uint32_t u32;
  typedef int32_t  i32;
  typedef float    f32;
  // 128 bytes is the smallest maxPushConstantsSize Vulkan allows.
  #define VKD_PC_CHECK(T) \
      _Static_assert(sizeof(struct T) <= 128 && sizeof(struct T) % 4 == 0, #T);
#endif

#endif
