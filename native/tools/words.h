// Words of a frame's header, in bytes that are not in a ring: little-endian, wherever they lie.

#ifndef RINGWAY_WORDS_H
#define RINGWAY_WORDS_H

#include <stdint.h>

static inline uint32_t word_at(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline void put_word(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}

#endif
