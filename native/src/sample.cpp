// One token a row from logits. The nucleus is found without sorting: a histogram over the leading bits of the probabilities gives the bin
// in which the cumulated probability passes top-p, and only that bin is sorted.
#include <algorithm>

#include "simd.h"

PALIMPSEST_BEGIN

namespace {

// Bins of the histogram: sign-free float bits of e in [0, 1], cut to exponent and five bits of mantissa.
constexpr int kShift = 18;
constexpr uint32_t kOne = 0x3f800000u;
constexpr int kBins = (int)(kOne >> kShift) + 1;

int bin_of(float e) {
  uint32_t bits;
  memcpy(&bits, &e, 4);
  return (int)((kOne - bits) >> kShift);
}

// weights[i] = exp((x[i] - top) * scale); returns their sum.
double exponentials(const float* x, int64_t cols, float top, float scale, float* weights) {
  double total = 0;
  for (int64_t block = 0; block < cols; block += 1024) {
    const int64_t n = std::min<int64_t>(1024, cols - block);
    vf part = zero();
    for_each_vector(n, [&](int64_t i, auto count) {
      vf e = exp((load(x + block + i, count) - splat(top)) * splat(scale));
      store(weights + block + i, e, count);
      part = part + keep(e, count, zero());
    });
    total += sum(part);
  }
  return total;
}

// The smallest weight that stays under top-p and top-k.
float cut_of(const float* weights, int64_t cols, double total, int32_t top_k, float top_p, float* sorted) {
  double mass[kBins] = {};
  int64_t count[kBins] = {};
  for (int64_t i = 0; i < cols; i++) {
    if (weights[i] <= 0) continue;
    int b = bin_of(weights[i]);
    mass[b] += weights[i];
    count[b]++;
  }
  const double wanted = top_p < 1 ? (double)top_p * total : HUGE_VAL;
  const int64_t most = top_k > 0 ? top_k : cols;
  double before = 0;
  int64_t kept = 0;
  int b = 0;
  for (; b < kBins; b++) {
    if (before + mass[b] >= wanted || kept + count[b] >= most) break;
    before += mass[b];
    kept += count[b];
  }
  if (b == kBins) return 0;
  int64_t n = 0;
  for (int64_t i = 0; i < cols; i++)
    if (weights[i] > 0 && bin_of(weights[i]) == b) sorted[n++] = weights[i];
  std::sort(sorted, sorted + n, [](float l, float r) { return l > r; });
  for (int64_t i = 0; i < n; i++) {
    before += sorted[i];
    kept++;
    if (before >= wanted || kept >= most) return sorted[i];
  }
  return n > 0 ? sorted[n - 1] : 0;
}

// Draws from the candidates; scores is overwritten by their weights.
int32_t draw(const int32_t* ids, float* scores, int64_t count, double uniform) {
  float largest_score = scores[0];
  for (int64_t i = 1; i < count; i++) largest_score = std::max(largest_score, scores[i]);
  double total = 0;
  for_each_vector(count, [&](int64_t i, auto n) {
    vf e = exp(load(scores + i, n) - splat(largest_score));
    store(scores + i, e, n);
  });
  for (int64_t i = 0; i < count; i++) total += scores[i];
  double sum = 0;
  for (int64_t i = 0; i < count; i++) {
    sum += scores[i];
    if (sum > uniform * total) return ids[i];
  }
  return ids[count - 1];
}

}  // namespace

int sample_forward(const float* logits, int64_t logits_ld, const float* generic, int64_t generic_ld, float guidance,
                   int64_t rows, int64_t cols, float temperature, int32_t top_k, float top_p, const double* uniforms,
                   int32_t* tokens, float* workspace) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && cols < (1 << 24) && logits_ld >= cols);
  PALIMPSEST_REQUIRE(temperature >= 0 && top_k >= 0 && top_p > 0 && top_p <= 1 && guidance >= 0);
  PALIMPSEST_REQUIRE(generic == nullptr || generic_ld >= cols);
  float* weights = workspace;
  float* scores = workspace + cols;
  int32_t* ids = reinterpret_cast<int32_t*>(workspace + 2 * cols);
  const bool guided = generic != nullptr && guidance > 0;
  for (int64_t r = 0; r < rows; r++) {
    const float* x = logits + r * logits_ld;
    int64_t best = 0;
    for (int64_t i = 0; i < cols; i++) {
      PALIMPSEST_REQUIRE(std::isfinite(x[i]));
      if (x[i] > x[best]) best = i;
    }
    if (temperature == 0) {
      tokens[r] = (int32_t)best;
      continue;
    }
    const float scale = 1.0f / temperature;
    const double total = exponentials(x, cols, x[best], scale, weights);
    const float cut = cut_of(weights, cols, total, top_k, top_p, scores);
    int64_t count = 0;
    for (int64_t i = 0; i < cols; i++) {
      if (weights[i] < cut || weights[i] <= 0) continue;
      float score = (x[i] - x[best]) * scale;
      if (guided) score = (1 + guidance) * score - guidance * generic[r * generic_ld + i] * scale;
      scores[count] = score;
      ids[count++] = (int32_t)i;
    }
    tokens[r] = draw(ids, scores, count, uniforms[r]);
  }
  return PALIMPSEST_OK;
}

PALIMPSEST_END
