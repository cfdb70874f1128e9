// What every kernel source includes: its tier's namespace, vectors, and the way to report a bad
// argument.
#pragma once
#include <cstdint>
#include <cstring>

#include "palimpsest.h"

namespace palimpsest {

// Remembers the text for palimpsest_last_error and returns the status.
int fail(int status, const char* text);

// A bfloat16: the upper half of a float.
struct bf16 {
  uint16_t bits;
};

}  // namespace palimpsest

#define PALIMPSEST_BEGIN \
  namespace palimpsest { \
  namespace PALIMPSEST_TIER {
#define PALIMPSEST_END \
  }                    \
  }

#define PALIMPSEST_INLINE inline __attribute__((always_inline))

#define PALIMPSEST_REQUIRE(condition)                                                \
  do {                                                                               \
    if (!(condition)) return fail(PALIMPSEST_BAD_ARGUMENT, "not true: " #condition); \
  } while (0)

PALIMPSEST_BEGIN
#define KERNEL(stem, verb, parameters) __attribute__((weak)) int stem##_##verb parameters;
#include "kernels.def"
#undef KERNEL
PALIMPSEST_END
