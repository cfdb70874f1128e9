// What verified clipping does to numbers of an example's gradient, wherever they come from: they
// become integers, and the squares of those very integers are added up (docs/privacy.md).
#pragma once
#include "simd.h"

PALIMPSEST_BEGIN

inline constexpr int kMaxBits = 24;
inline constexpr int32_t kMaxBound = 1 << kMaxBits;
inline constexpr int kShrinkBits = 32;
// The ratio that leaves integers as they are; its negative takes them out of the sums again.
inline constexpr int64_t kWhole = int64_t{1} << kShrinkBits;
// Past this total an example's norm is not to be trusted: a later square could wrap.
inline constexpr int64_t kMaxTotal = int64_t{1} << 60;

inline bool is_factor(float factor) { return factor >= 0.0f && factor < INFINITY; }

// trunc(factor * g) clamped to [-bound, bound], NaN as 0.
class Grid {
 public:
  Grid(float factor, int32_t bound)
      : factor_(splat(factor)),
        high_(splat(static_cast<float>(bound))),
        low_(splat(-static_cast<float>(bound))) {}

  PALIMPSEST_INLINE vi integers(vf gradient) const {
    vf y = gradient * factor_;
    // NaN before the clamp, whose order would decide what it becomes. 0 * infinity in lanes past
    // the end of a row is NaN, hence 0 too.
    y = select(y == y, y, zero());
    return truncate(min(high_, max(low_, y)));
  }

 private:
  vf factor_, high_, low_;
};

// sign(z) floor(|z| ratio / 2^32). |z ratio| < 2^57.
inline int64_t shrunk(int64_t z, int64_t ratio) {
  int64_t magnitude = ((z < 0 ? -z : z) * ratio) >> kShrinkBits;
  return z < 0 ? -magnitude : magnitude;
}

// A total that was once past kMaxTotal stays so.
inline int64_t add_total(int64_t total, uint64_t squares) {
  total += static_cast<int64_t>(squares);
  return total > kMaxTotal ? kMaxTotal + 1 : total;
}

// Whether the rows of each example's gradient of a table are there, in ascending order of their
// ids: an id that came up twice apart would be two contributions to one row.
inline bool ascend(const int32_t* starts, int32_t count, const int32_t* ids, int64_t vocabulary) {
  bool good = starts[0] >= 0;
  for (int e = 0; e < count && good; e++) {
    good = starts[e] <= starts[e + 1];
    for (int32_t i = starts[e]; i < starts[e + 1] && good; i++)
      good = ids[i] >= 0 && ids[i] < vocabulary && (i == starts[e] || ids[i - 1] <= ids[i]);
  }
  return good;
}

// The examples of a group as a kernel that accumulates sees them: in rows [starts[e], starts[e+1])
// is example e, whose numbers times its factor become integers and enter by its ratio.
struct Examples {
  const int32_t* starts;
  int32_t count;
  const float* factors;
  const int64_t* ratios;
  int32_t bits;
  int64_t* totals;

  bool enters(int e) const { return ratios[e] != 0 && is_factor(factors[e]); }
};

// One vector of an example's integers into n of the sums.
template <class N>
PALIMPSEST_INLINE void enter(vi z, int64_t ratio, int32_t* sums, N n) {
  // Unsigned, because sums wrap.
  const vu before = (vu)load(sums, n);
  if (ratio == kWhole) {
    store(sums, (vi)(before + (vu)z), n);
  } else if (ratio == -kWhole) {
    store(sums, (vi)(before - (vu)z), n);
  } else {
    vi part = z;
    for (int i = 0; i < kWidth; i++)
      part[i] = static_cast<int32_t>(ratio < 0 ? -shrunk(z[i], -ratio) : shrunk(z[i], ratio));
    store(sums, (vi)(before + (vu)part), n);
  }
}

PALIMPSEST_END
