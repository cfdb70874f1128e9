// One token a row from logits, without sorting: what cannot be in the nucleus is left out while the
// exponentials are taken, and the smallest weight that stays is then found by halving the range of
// the weights' bits, the candidates shrinking with it.
#include <algorithm>
#include <cfloat>
#include <functional>

#include "simd.h"
#include "workspace.h"

PALIMPSEST_BEGIN

namespace {

constexpr int64_t kBlock = 1024;
constexpr int64_t kFewEnoughToSort = 64;

vf plus(vf a, vf b) { return a + b; }

uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}
float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

// The largest element of a row; NaN if any of them is not finite.
float largest_finite(const float* x, int64_t cols) {
  struct Peak {
    vf top;
    vf poison;  // stays 0 as long as the elements are finite
  };
  const vf lowest = splat(-INFINITY);
  Peak peak = fold(
      cols, Peak{lowest, zero()},
      [&](Peak p, int64_t i, auto n) {
        vf v = load(x + i, n);
        return Peak{max(keep(v, n, lowest), p.top), fma(v, zero(), p.poison)};
      },
      [](Peak a, Peak b) { return Peak{max(a.top, b.top), a.poison + b.poison}; });
  return largest(peak.top) + sum(peak.poison);
}

// Tokens in the order of their ids, with weights in proportion to their probabilities.
struct Candidates {
  float* weights;
  int32_t* ids;
  int64_t count;
};

// Keeps the lanes of (weights, ids) where mask is set. The vectors written end at the latest where
// the one read ends.
template <class N>
void append(Candidates& to, vf weights, vi ids, vi mask, N n) {
  uint32_t lanes = lanes_of(keep_lanes(mask, n));
  compress(to.weights + to.count, weights, lanes, n);
  compress(reinterpret_cast<float*>(to.ids + to.count), (vf)ids, lanes, n);
  to.count += __builtin_popcount(lanes);
}

// Candidates with the weight exp((x - top) * scale) of at least `least`; returns the sum of all
// weights.
double weigh(const float* x, int64_t cols, float top, float scale, float least, Candidates& to) {
  vi lane = lane_numbers();
  double total = 0;
  to.count = 0;
  for (int64_t block = 0; block < cols; block += kBlock) {
    vf part = zero();
    for_each_vector(std::min(kBlock, cols - block), [&](int64_t i, auto n) {
      vf e = exp((load(x + block + i, n) - splat(top)) * splat(scale));
      part = part + keep(e, n, zero());
      append(to, e, lane + static_cast<int32_t>(block + i), e >= splat(least), n);
    });
    total += sum(part);
  }
  return total;
}

// What the candidates that stay must reach together: this mass or this count, whichever comes
// first.
struct Goal {
  double mass;
  int64_t count;
  bool reached(double m, int64_t c) const { return m >= mass || c >= count; }
};

// The largest weight w such that the weights >= w reach the goal, among few: sorts them.
float cut_among_few(float* weights, int64_t n, double mass, int64_t count, Goal goal) {
  std::sort(weights, weights + n, std::greater<float>());
  int64_t i = 0;
  for (; i + 1 < n; i++) {
    mass += weights[i];
    if (goal.reached(mass, ++count)) break;
  }
  return weights[i];
}

struct Measure {
  vf mass;
  vi count;
};

// Mass and count of the weights above the pivot.
Measure measure_above(const float* weights, int64_t n, float pivot) {
  return fold(
      n, Measure{zero(), vi{}},
      [&](Measure m, int64_t i, auto k) {
        vf v = load(weights + i, k);
        vi above = keep_lanes(v > splat(pivot), k);
        return Measure{m.mass + select(above, v, zero()), m.count - above};
      },
      [](Measure a, Measure b) { return Measure{a.mass + b.mass, a.count + b.count}; });
}

// The largest weight w such that the weights >= w reach the goal; the smallest weight if all of
// them together do not. Positive floats are ordered as their bits are, so halving the range [low,
// high] of bits ends after at most 30 rounds.
float cut_of(const float* weights, int64_t n, Goal goal, float* scratch) {
  uint32_t low = 0, high = bits_of(1.0f);
  double mass = 0;  // of the weights above high
  int64_t count = 0;
  while (n > kFewEnoughToSort && low < high) {
    float pivot = float_of(low + (high - low) / 2);
    Measure m = measure_above(weights, n, pivot);
    double above_mass = mass + sum(lower(m.mass) + upper(m.mass));
    int64_t above_count = count + sum(m.count);
    bool in_upper = goal.reached(above_mass, above_count);
    Candidates rest{scratch, nullptr, 0};
    for_each_vector(n, [&](int64_t i, auto k) {
      vf v = load(weights + i, k);
      uint32_t lanes = lanes_of(keep_lanes(in_upper ? v > splat(pivot) : v <= splat(pivot), k));
      compress(scratch + rest.count, v, lanes, k);
      rest.count += __builtin_popcount(lanes);
    });
    if (in_upper) {
      low = bits_of(pivot) + 1;
    } else {
      high = bits_of(pivot);
      mass = above_mass;
      count = above_count;
      if (rest.count == 0) break;  // only rounding leads here: the goal is the whole mass
    }
    weights = scratch;
    n = rest.count;
  }
  if (low == high || n == 0) return float_of(high);
  if (weights != scratch) std::copy(weights, weights + n, scratch);
  return cut_among_few(scratch, n, mass, count, goal);
}

void keep_from(float cut, Candidates& c) {
  Candidates kept{c.weights, c.ids, 0};
  for_each_vector(c.count, [&](int64_t i, auto n) {
    vf w = load(c.weights + i, n);
    vi ids = (vi)load(reinterpret_cast<const float*>(c.ids + i), n);
    append(kept, w, ids, w >= splat(cut), n);
  });
  c.count = kept.count;
}

// Replaces the weights by those of the guided scores, (1 + w) log p - w log p_generic; false if
// they are not finite.
bool guide(const float* x, const float* generic, float guidance, float top, float scale,
           Candidates& c) {
  float base = generic[c.ids[0]];
  for (int64_t i = 0; i < c.count; i++) {
    int32_t id = c.ids[i];
    c.weights[i] = ((1 + guidance) * (x[id] - top) - guidance * (generic[id] - base)) * scale;
  }
  float best = largest_finite(c.weights, c.count);
  if (!std::isfinite(best)) return false;
  for_each_vector(c.count, [&](int64_t i, auto n) {
    store(c.weights + i, exp(load(c.weights + i, n) - splat(best)), n);
  });
  return true;
}

double block_sum(const float* weights, int64_t n) {
  return sum(
      fold(n, zero(), [&](vf s, int64_t i, auto k) { return s + load(weights + i, k); }, plus));
}

// The candidate at which the running sum of weights first passes uniform times their total. Whole
// blocks are passed at once.
int32_t draw(const Candidates& c, double uniform) {
  double total = 0;
  for (int64_t b = 0; b < c.count; b += kBlock)
    total += block_sum(c.weights + b, std::min(kBlock, c.count - b));
  double wanted = uniform * total, sum = 0;
  int32_t last = c.ids[0];
  for (int64_t b = 0; b < c.count; b += kBlock) {
    int64_t end = std::min(b + kBlock, c.count);
    double after = sum + block_sum(c.weights + b, end - b);
    if (after > wanted) {
      for (int64_t i = b; i < end; i++) {
        if (c.weights[i] <= 0) continue;
        last = c.ids[i];
        sum += c.weights[i];
        if (sum > wanted) break;
      }
      return last;  // the block's own sum may fall short of `after` by a rounding: then its last
                    // token
    }
    sum = after;
  }
  return last;
}

struct Settings {
  float scale;  // 1 / temperature
  int32_t top_k;
  float top_p;
  float guidance;
};

bool sample_row(const float* x, const float* generic, int64_t cols, float top, const Settings& s,
                double uniform, Workspace workspace, int32_t* token) {
  float* weights = workspace.take(cols);
  int32_t* ids = reinterpret_cast<int32_t*>(workspace.take(cols));
  float* scratch = workspace.take(cols);
  Candidates c{weights, ids, 0};
  // The tokens below this weight have less than 1 - top_p together, since the largest weight is 1:
  // the nucleus is without them.
  float least = s.top_p < 1 ? (1 - s.top_p) / static_cast<float>(cols) * 0.999f : 0.0f;
  double total = weigh(x, cols, top, s.scale, least, c);
  int64_t most = s.top_k > 0 ? s.top_k : cols;
  if (s.top_p < 1 || most < c.count) {
    Goal goal{s.top_p < 1 ? static_cast<double>(s.top_p) * total : HUGE_VAL, most};
    keep_from(cut_of(c.weights, c.count, goal, scratch), c);
  }
  if (generic != nullptr && !guide(x, generic, s.guidance, top, s.scale, c)) return false;
  *token = draw(c, uniform);
  return true;
}

}  // namespace

int sample_forward(const float* logits, int64_t logits_ld, const float* generic, int64_t generic_ld,
                   float guidance, int64_t rows, int64_t cols, float temperature, int32_t top_k,
                   float top_p, const double* uniforms, int32_t* tokens, float* workspace) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && cols <= INT32_MAX && logits_ld >= cols);
  PALIMPSEST_REQUIRE(temperature >= 0 && top_k >= 0 && top_p > 0 && top_p <= 1 && guidance >= 0);
  PALIMPSEST_REQUIRE(generic == nullptr || generic_ld >= cols);
  // A temperature near 0 must not become an infinite factor: it would meet the 0 of the likeliest
  // token.
  Settings settings{std::min(1 / temperature, FLT_MAX), top_k, top_p, guidance};
  for (int64_t r = 0; r < rows; r++) {
    const float* x = logits + r * logits_ld;
    float top = largest_finite(x, cols);
    if (!std::isfinite(top)) return fail(PALIMPSEST_BAD_ARGUMENT, "logits of a row are not finite");
    if (temperature == 0) {
      tokens[r] = static_cast<int32_t>(std::find(x, x + cols, top) - x);
      continue;
    }
    PALIMPSEST_REQUIRE(uniforms[r] >= 0 && uniforms[r] < 1);
    const float* g = generic == nullptr || guidance == 0 ? nullptr : generic + r * generic_ld;
    if (!sample_row(x, g, cols, top, settings, uniforms[r], Workspace(workspace), &tokens[r]))
      return fail(PALIMPSEST_BAD_ARGUMENT, "guided scores of a row are not finite");
  }
  return PALIMPSEST_OK;
}

PALIMPSEST_END
