// order.c -- Fisher-Yates driven by Philox: step i draws from counter (stream, round, i / 2).
#include "order.h"

#include "shaders/philox.h"

// A 64-bit fraction times n, cut off: uniform below n up to 2^-32.
static uint32_t below(uint32_t n, uint32_t high, uint32_t low)
{
    return (uint32_t)(((uint64_t)high * n + ((uint64_t)low * n >> 32)) >> 32);
}

void vkd__order_draw(uint32_t *order, uint32_t count, uint32_t stream, uint64_t seed, uint32_t round)
{
    const u32 key[2] = { (u32)seed, (u32)(seed >> 32) };
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = 0; i + 1 < count; i += 2) {
        u32 words[4] = { stream, round, i / 2, 0 };
        vkd_philox(words, key);
        for (uint32_t k = 0; k < 2 && i + k + 1 < count; k++) {
            const uint32_t at = i + k, other = at + below(count - at, words[2 * k], words[2 * k + 1]);
            const uint32_t image = order[at];
            order[at] = order[other];
            order[other] = image;
        }
    }
}

void vkd__order_fill(uint32_t *order, uint32_t count, bool shuffle, uint64_t seed, uint32_t epoch)
{
    if (shuffle)
        vkd__order_draw(order, count, VKD_STREAM_SHUFFLE, seed, epoch);
    for (uint32_t i = 0; !shuffle && i < count; i++)
        order[i] = i;
}
