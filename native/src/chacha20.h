// The ChaCha20 block function (RFC 8439, section 2.3) for several consecutive blocks at once, one
// block a vector lane.
#pragma once
#include "tier.h"

PALIMPSEST_BEGIN

#if defined(__AVX512F__)
inline constexpr int kBlocks = 16;
#elif defined(__AVX2__)
inline constexpr int kBlocks = 8;
#else
inline constexpr int kBlocks = 4;
#endif

typedef uint32_t Words __attribute__((vector_size(4 * kBlocks)));

template <int n>
static inline Words rotate_left(Words x) {
  return (x << n) | (x >> (32 - n));
}

static inline void quarter_round(Words& a, Words& b, Words& c, Words& d) {
  a += b;
  d = rotate_left<16>(d ^ a);
  c += d;
  b = rotate_left<12>(b ^ c);
  a += b;
  d = rotate_left<8>(d ^ a);
  c += d;
  b = rotate_left<7>(b ^ c);
}

// Blocks counter .. counter + kBlocks - 1 of the stream (purpose, step): word w of block counter +
// l goes to out[w][l]. The key is eight little-endian words. The caller sees to it that the counter
// does not pass 2^32.
static inline void chacha20_blocks(const uint32_t* key, uint32_t counter, uint32_t purpose,
                                   uint64_t step, Words* out, int64_t stride) {
  Words lane;
  for (int i = 0; i < kBlocks; i++) lane[i] = static_cast<uint32_t>(i);
  Words start[16] = {Words{} + 0x61707865u, Words{} + 0x3320646eu, Words{} + 0x79622d32u,
                     Words{} + 0x6b206574u};
  for (int i = 0; i < 8; i++) start[4 + i] = Words{} + key[i];
  start[12] = lane + counter;
  start[13] = Words{} + purpose;
  start[14] = Words{} + static_cast<uint32_t>(step);
  start[15] = Words{} + static_cast<uint32_t>(step >> 32);
  Words x0 = start[0], x1 = start[1], x2 = start[2], x3 = start[3], x4 = start[4], x5 = start[5],
        x6 = start[6], x7 = start[7], x8 = start[8], x9 = start[9], x10 = start[10],
        x11 = start[11], x12 = start[12], x13 = start[13], x14 = start[14], x15 = start[15];
  for (int round = 0; round < 10; round++) {
    quarter_round(x0, x4, x8, x12);
    quarter_round(x1, x5, x9, x13);
    quarter_round(x2, x6, x10, x14);
    quarter_round(x3, x7, x11, x15);
    quarter_round(x0, x5, x10, x15);
    quarter_round(x1, x6, x11, x12);
    quarter_round(x2, x7, x8, x13);
    quarter_round(x3, x4, x9, x14);
  }
  const Words end[16] = {x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15};
  for (int w = 0; w < 16; w++) out[w * stride] = end[w] + start[w];
}

PALIMPSEST_END
