// The tile registers of AMX: eight of up to 16 rows of 64 bytes.
#pragma once
#include "simd.h"

PALIMPSEST_BEGIN

inline constexpr int kTile = 16;          // rows, outputs or pairs of k in a register
inline constexpr int kDepth = 2 * kTile;  // of k
inline constexpr int64_t kRowBytes = 64;  // of a register

// AddressSanitizer does not look into tile instructions, so with it the rows are read first.
inline void require_rows([[maybe_unused]] const void* p, [[maybe_unused]] int64_t stride,
                         [[maybe_unused]] int rows) {
#if defined(__SANITIZE_ADDRESS__)
  char row[kRowBytes];
  for (int i = 0; i < rows; i++) {
    memcpy(row, static_cast<const char*>(p) + i * stride, kRowBytes);
    asm volatile("" ::"r"(row) : "memory");
  }
#endif
}

// The stride is in bytes. `rows` of the register are in use.
template <int t>
PALIMPSEST_INLINE void load_tile(const void* p, int64_t stride, int rows) {
  require_rows(p, stride, rows);
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(stride), "i"(t) : "memory");
}
template <int t>
PALIMPSEST_INLINE void store_tile(void* p, int64_t stride, int rows) {
  require_rows(p, stride, rows);
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(stride), "i"(t) : "memory");
}
template <int t>
PALIMPSEST_INLINE void zero_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(t));
}
template <int sums, int rows, int weights>
PALIMPSEST_INLINE void multiply_tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(rows), "i"(weights));
}

// The registers' shapes where up to 2 * kTile rows of x meet 2 * kTile outputs: 0 and 1 are sums of
// the upper rows, 2 and 3 of the lower, 4 and 5 rows of x, 6 and 7 weights. Setting a shape zeroes
// all of them, and nothing is left in them at the end.
class Shapes {
 public:
  Shapes() = default;
  Shapes(const Shapes&) = delete;
  Shapes& operator=(const Shapes&) = delete;
  ~Shapes() { asm volatile("tilerelease" ::: "memory"); }

  void set(int rows) {
    if (rows == rows_) return;
    rows_ = rows;
    const int upper = rows < kTile ? rows : kTile, lower = rows - upper;
    const int heights[] = {upper, upper, lower, lower, upper, lower, kTile, kTile};
    alignas(64)
        uint8_t config[64] = {1};  // palette 1; a register's bytes a row from 16, rows from 48
    for (int t = 0; t < 8; t++)
      if (heights[t] > 0) {
        config[16 + 2 * t] = kRowBytes;
        config[48 + t] = static_cast<uint8_t>(heights[t]);
      }
    asm volatile("ldtilecfg %0" ::"m"(config) : "memory");
  }

 private:
  int rows_ = 0;
};

PALIMPSEST_END
