// Verified clipping: a gradient becomes integers, and the exact norm of those integers decides what
// enters the sums.
#include "verify.h"

PALIMPSEST_BEGIN

namespace {

enum Outcome { kAccepted = 0, kRepaired = 1, kDropped = 2 };

// A tile adds at most 1024 * 4^24 = 2^58, so the look at the total comes before anything can wrap.
constexpr int64_t kTile = 1024;

// Replaces g by its integers; returns the sum of their squares.
int64_t truncate_tile(float* gradient, int64_t count, const Grid& grid) {
  vl total = {};
  for_each_vector(count, [&](int64_t i, auto n) {
    vi z = grid.integers(load(gradient + i, n));
    total = add_squares(total, z);
    store(gradient + i, from_int(z), n);
  });
  return static_cast<int64_t>(sum(total));
}

int64_t ceil_sqrt(int64_t n) {
  int64_t s = static_cast<int64_t>(std::sqrt(static_cast<double>(n)));
  while (s * s < n) s++;
  while (s > 0 && (s - 1) * (s - 1) >= n) s--;
  return s;
}

void shrink(float* gradient, int64_t count, int64_t ratio) {
  for (int64_t i = 0; i < count; i++)
    gradient[i] = static_cast<float>(shrunk(static_cast<int64_t>(gradient[i]), ratio));
}

void add(const float* __restrict gradient, int64_t count, int64_t* __restrict sums) {
  for (int64_t i = 0; i < count; i++) {
    int64_t z = static_cast<int32_t>(gradient[i]);
    sums[i] = static_cast<int64_t>(static_cast<uint64_t>(sums[i]) + static_cast<uint64_t>(z));
  }
}

int32_t drop(float* gradient, int64_t count) {
  for (int64_t i = 0; i < count; i++) gradient[i] = 0.0f;
  return kDropped;
}

int32_t clip(float* gradient, int64_t count, float factor, int32_t bound, int64_t* sums) {
  if (!is_factor(factor)) return drop(gradient, count);
  const Grid grid(factor, bound);
  int64_t total = 0;
  for (int64_t i = 0; i < count; i += kTile) {
    total += truncate_tile(gradient + i, i + kTile <= count ? kTile : count - i, grid);
    if (total > kMaxTotal) return drop(gradient, count);
  }
  int32_t outcome = total <= int64_t{bound} * bound ? kAccepted : kRepaired;
  if (outcome == kRepaired)
    shrink(gradient, count, (int64_t{bound} << kShrinkBits) / ceil_sqrt(total));
  add(gradient, count, sums);
  return outcome;
}

}  // namespace

// A float's square is exact in double, so only the sums round. Two accumulators of doubles a
// vector half.
int clip_example_norm(const float* gradient, int64_t count, double* norm_squared) {
  PALIMPSEST_REQUIRE(count >= 0);
  vd low[2] = {}, high[2] = {};
  auto add_vector = [&](int k, vf v) {
    vd a = lower(v), b = upper(v);
    low[k] += a * a;
    high[k] += b * b;
  };
  int64_t i = 0;
  for (; i + 2 * kWidth <= count; i += 2 * kWidth) {
    add_vector(0, load(gradient + i));
    add_vector(1, load(gradient + i + kWidth));
  }
  for_each_vector(count - i, [&](int64_t k, auto n) { add_vector(0, load(gradient + i + k, n)); });
  *norm_squared = sum((low[0] + high[0]) + (low[1] + high[1]));
  return PALIMPSEST_OK;
}

int clip_accumulate(float* gradient, int64_t count, float factor, int32_t bound, int64_t* sums,
                    int32_t* outcome) {
  PALIMPSEST_REQUIRE(count >= 0 && bound >= 1 && bound <= kMaxBound);
  *outcome = clip(gradient, count, factor, bound, sums);
  return PALIMPSEST_OK;
}

PALIMPSEST_END
