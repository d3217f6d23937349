// philox.h -- Philox 4x32-10 (Salmon et al., SC 2011), the only random generator of vkdiv: one
// text for C and GLSL, bit-equal everywhere. tests/test_philox.c compares it with Random123.
//
// ctr[4] in, random words out in ctr. key is (seed low, seed high).
#ifndef VKD_PHILOX_H
#define VKD_PHILOX_H
#include "shared.h"

#ifdef VKD_GLSL

uvec4 vkd_philox(uvec4 ctr, uvec2 key)
{
    for (int i = 0; i < 10; i++) {
        uint hi0, lo0, hi1, lo1;
        umulExtended(0xD2511F53u, ctr.x, hi0, lo0);
        umulExtended(0xCD9E8D57u, ctr.z, hi1, lo1);
        ctr = uvec4(hi1 ^ ctr.y ^ key.x, lo1, hi0 ^ ctr.w ^ key.y, lo0);
        key += uvec2(0x9E3779B9u, 0xBB67AE85u);
    }
    return ctr;
}

// Uniform in [0, 1) with 24 bits.
float vkd_uniform(uint word) { return float(word >> 8) * (1.0 / 16777216.0); }

#else

static inline void vkd_philox(u32 ctr[4], const u32 seed[2])
{
    u32 key[2] = { seed[0], seed[1] };
    for (int i = 0; i < 10; i++) {
        uint64_t p0 = (uint64_t) 0xD2511F53u * ctr[0], p1 = (uint64_t) 0xCD9E8D57u * ctr[2];
        u32 next[4] = { (u32) (p1 >> 32) ^ ctr[1] ^ key[0], (u32) p1, (u32) (p0 >> 32) ^ ctr[3] ^ key[1], (u32) p0 };
        for (int j = 0; j < 4; j++)
            ctr[j] = next[j];
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
}

static inline float vkd_uniform(u32 word) { return (float) (word >> 8) * (1.0f / 16777216.0f); }

#endif

// Streams: the first counter word of every use names what the numbers are for.
#define VKD_STREAM_INIT     1u      // parameter start values
#define VKD_STREAM_SHUFFLE  2u      // order of an epoch
#define VKD_STREAM_AUGMENT  3u
#define VKD_STREAM_DROPOUT  4u
#define VKD_STREAM_LABELS   5u      // whose labels are used
#define VKD_STREAM_COLLAGE  6u      // images of a collage
#define VKD_STREAM_NULL     7u      // random filters that found ones are compared with
#define VKD_STREAM_RESAMPLE 8u      // examples of a bootstrap's resample
#define VKD_STREAM_PERMUTE  9u      // signs and orders of a permutation test
#define VKD_STREAM_HOLDOUT  10u     // images of train that validation has
#define VKD_STREAM_RELABEL  11u     // whose label an image gets when labels are shuffled
#endif
