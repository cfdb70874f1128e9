// Scratch memory that the caller brings, cut into pieces.
#pragma once
#include "tier.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

PALIMPSEST_BEGIN

// Each piece starts at a multiple of 64 bytes from the first and is followed by a gap of at least
// 64, in which AddressSanitizer sees what runs over from one piece into the next.
class Workspace {
 public:
  explicit Workspace(float* start) : next_(start) {}

  float* take(int64_t floats) {
    float* piece = next_;
    next_ += size(floats);
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(piece, floats * sizeof(float));
    ASAN_POISON_MEMORY_REGION(piece + floats, (next_ - piece - floats) * sizeof(float));
#endif
    return piece;
  }

  // The floats that a piece takes up: at most 31 more than it has.
  static constexpr int64_t size(int64_t floats) { return (floats + 15) / 16 * 16 + 16; }

 private:
  float* next_;
};

PALIMPSEST_END
