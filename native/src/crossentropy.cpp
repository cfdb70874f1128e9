// Cross-entropy over a vocabulary: lse = log sum exp(logits), nll = lse - logits[target]; d_logits
// = weight * (exp(logits - lse) - onehot).
#include "simd.h"

PALIMPSEST_BEGIN

namespace {

// NaN is passed over; the sum of exponentials then shows it.
float largest_of_row(const float* x, int64_t cols) {
  const vf lowest = splat(-INFINITY);
  return largest(fold(
      cols, lowest,
      [&](vf best, int64_t i, auto n) { return max(keep(load(x + i, n), n, lowest), best); },
      [](vf a, vf b) { return max(a, b); }));
}

template <class T>
void backward_row(const float* logits, int64_t cols, int32_t target, float weight, float lse,
                  T* d) {
  vf w = splat(weight), shift = splat(lse);
  // Read first: the row may be written over its own logits. Weight 0 is an exact 0 whatever the
  // logits are.
  vf at_target = w * (exp(splat(logits[target]) - shift) - splat(1.0f));
  for_each_vector(
      cols, [&](int64_t i, auto n) { store(d + i, w * exp(load(logits + i, n) - shift), n); });
  store(d + target, at_target, 1);
}

template <class T>
void zero_row(int64_t cols, T* d) {
  for_each_vector(cols, [&](int64_t i, auto n) { store(d + i, zero(), n); });
}

template <class T>
void backward_rows(const float* logits, int64_t logits_ld, int64_t rows, int64_t cols,
                   const int32_t* targets, const float* weights, const float* lse, T* d_logits,
                   int64_t d_ld) {
  for (int64_t n = 0; n < rows; n++) {
    T* d = d_logits + n * d_ld;
    if (weights[n] == 0.0f)
      zero_row(cols, d);
    else
      backward_row(logits + n * logits_ld, cols, targets[n], weights[n], lse[n], d);
  }
}

bool all_below(const int32_t* targets, int64_t rows, int64_t limit) {
  bool good = true;
  for (int64_t n = 0; n < rows; n++) good &= targets[n] >= 0 && targets[n] < limit;
  return good;
}

// Whether the rows of d_logits can be written front to back without touching logits that are
// still to be read.
bool can_compact(const float* logits, int64_t logits_bytes_ld, const void* d, int64_t d_bytes_ld,
                 int64_t rows) {
  uintptr_t from = reinterpret_cast<uintptr_t>(logits), to = from + rows * logits_bytes_ld;
  uintptr_t d_from = reinterpret_cast<uintptr_t>(d), d_to = d_from + rows * d_bytes_ld;
  bool apart = d_to <= from || to <= d_from;
  return apart || (d_from <= from && d_bytes_ld <= logits_bytes_ld);
}

}  // namespace

int crossentropy_forward(const float* logits, int64_t logits_ld, int64_t rows, int64_t cols,
                         const int32_t* targets, float* nll, float* lse) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && logits_ld >= cols);
  PALIMPSEST_REQUIRE(all_below(targets, rows, cols));
  for (int64_t n = 0; n < rows; n++) {
    const float* row = logits + n * logits_ld;
    float top = largest_of_row(row, cols);
    vf total = fold(
        cols, zero(),
        [&](vf sum, int64_t i, auto k) {
          return sum + keep(exp(load(row + i, k) - splat(top)), k, zero());
        },
        [](vf a, vf b) { return a + b; });
    // In double: the difference of the two must not lose what is left of the loss of a sure
    // prediction.
    double log_sum = static_cast<double>(top) + std::log(sum(lower(total) + upper(total)));
    lse[n] = static_cast<float>(log_sum);
    nll[n] = static_cast<float>(log_sum - static_cast<double>(row[targets[n]]));
  }
  return PALIMPSEST_OK;
}

int crossentropy_backward(const float* logits, int64_t logits_ld, int64_t rows, int64_t cols,
                          const int32_t* targets, const float* weights, const float* lse,
                          void* d_logits, int32_t d_type, int64_t d_ld) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && logits_ld >= cols && d_ld >= cols);
  PALIMPSEST_REQUIRE(d_type == PALIMPSEST_F32 || d_type == PALIMPSEST_BF16);
  PALIMPSEST_REQUIRE(all_below(targets, rows, cols));
  PALIMPSEST_REQUIRE(can_compact(logits, 4 * logits_ld, d_logits,
                                 (d_type == PALIMPSEST_BF16 ? 2 : 4) * d_ld, rows));
  if (d_type == PALIMPSEST_BF16)
    backward_rows(logits, logits_ld, rows, cols, targets, weights, lse,
                  static_cast<bf16*>(d_logits), d_ld);
  else
    backward_rows(logits, logits_ld, rows, cols, targets, weights, lse,
                  static_cast<float*>(d_logits), d_ld);
  return PALIMPSEST_OK;
}

PALIMPSEST_END
