// order.h -- the order of an epoch. Internal to the engine.
#ifndef VKD_DATA_ORDER_H
#define VKD_DATA_ORDER_H

#include <stdbool.h>
#include <stdint.h>

// Fills order[count] with a permutation of 0 .. count-1 that depends on (seed, epoch) alone, or with
// 0, 1, 2, ... when `shuffle` is false.
void vkd__order_fill(uint32_t *order, uint32_t count, bool shuffle, uint64_t seed, uint32_t epoch);
// The permutation that depends on (stream, seed, round) alone: shaders/philox.h names the streams.
void vkd__order_draw(uint32_t *order, uint32_t count, uint32_t stream, uint64_t seed, uint32_t round);

#endif
