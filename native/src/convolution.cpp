// Filters over the words of a text, then their largest value (Kim 2014): of filter f with weights
// w_f over `width` words in a row, out_f = max(0, max over t of w_f . x[t .. t + width) + b_f), and
// at_f the first t of the largest, -1 where nothing is above 0.
//
// Words lie side by side, so a window is one row of width * cols numbers. Each inner product is one
// chain a lane over its vectors in order, then a fixed tree over the lanes; a tile computes several
// at a time and changes none of them.
#include "simd.h"

PALIMPSEST_BEGIN

namespace {

// Windows and filters of a tile.
constexpr int kWindows = 4;
constexpr int kFilters = 2;

struct Shape {
  int64_t cols, filters, width;
  int64_t window() const { return width * cols; }
};

// values[w][f] = x[w * cols ..] . weight[f * window ..] for W windows and F filters.
template <int W, int F>
PALIMPSEST_INLINE void products(const float* x, const float* weight, const Shape& shape,
                                float (&values)[kWindows][kFilters]) {
  vf c[W][F] = {};
  for_each_vector(shape.window(), [&](int64_t i, auto n) {
    vf a[W], b[F];
    for (int w = 0; w < W; w++) a[w] = load(x + w * shape.cols + i, n);
    for (int f = 0; f < F; f++) b[f] = load(weight + f * shape.window() + i, n);
    for (int w = 0; w < W; w++)
      for (int f = 0; f < F; f++) c[w][f] = fma(a[w], b[f], c[w][f]);
  });
  for (int w = 0; w < W; w++)
    for (int f = 0; f < F; f++) values[w][f] = sum(c[w][f]);
}

// The largest value so far of F filters, and where.
template <int F>
struct Largest {
  float value[kFilters] = {};
  int32_t at[kFilters] = {-1, -1};

  template <int W>
  void add(const float* x, const float* weight, const float* bias, const Shape& shape, int64_t t) {
    float values[kWindows][kFilters];
    products<W, F>(x + t * shape.cols, weight, shape, values);
    for (int w = 0; w < W; w++)
      for (int f = 0; f < F; f++) {
        float v = values[w][f] + bias[f];
        if (v > value[f]) {
          value[f] = v;
          at[f] = static_cast<int32_t>(t + w);
        }
      }
  }
};

// F filters over an example of `length` words.
template <int F>
void forward_filters(const float* x, int64_t length, const float* weight, const float* bias,
                     const Shape& shape, float* out, int32_t* at) {
  Largest<F> largest;
  const int64_t windows = length - shape.width + 1;
  int64_t t = 0;
  for (; t + kWindows <= windows; t += kWindows)
    largest.template add<kWindows>(x, weight, bias, shape, t);
  for (; t < windows; t++) largest.template add<1>(x, weight, bias, shape, t);
  for (int f = 0; f < F; f++) {
    out[f] = largest.value[f];
    at[f] = largest.at[f];
  }
}

// y[i] += a * x[i].
void add_scaled(float a, const float* x, int64_t count, float* y) {
  vf s = splat(a);
  for_each_vector(
      count, [&](int64_t i, auto n) { store(y + i, fma(s, load(x + i, n), load(y + i, n)), n); });
}

int check(const int32_t* spans, int64_t spans_ld, int32_t count, int64_t rows, const Shape& shape) {
  PALIMPSEST_REQUIRE(count >= 0 && spans_ld >= count && rows >= 0);
  PALIMPSEST_REQUIRE(shape.cols > 0 && shape.filters > 0 && shape.width > 0);
  for (int32_t e = 0; e < count; e++) {
    const int64_t first = spans[e], length = spans[spans_ld + e];
    PALIMPSEST_REQUIRE(first >= 0 && length >= 0 && first + length <= rows);
  }
  return PALIMPSEST_OK;
}

// Whether each window is one of its own example. Looked at before anything is written: one outside
// would be a mate's.
bool inside(const int32_t* spans, int64_t spans_ld, int32_t from, int32_t to, const int32_t* at,
            int64_t at_ld, const Shape& shape) {
  bool good = true;
  for (int32_t e = from; e < to; e++)
    for (int64_t f = 0; f < shape.filters; f++) {
      const int64_t t = at[e * at_ld + f];
      good &= t == -1 || (t >= 0 && t + shape.width <= spans[spans_ld + e]);
    }
  return good;
}

}  // namespace

int convolution_forward(const float* x, int64_t rows, int64_t cols, const int32_t* spans,
                        int64_t spans_ld, int32_t count, const float* weight, const float* bias,
                        int64_t filters, int64_t width, float* out, int64_t out_ld, int32_t* at,
                        int64_t at_ld) {
  const Shape shape{cols, filters, width};
  int status = check(spans, spans_ld, count, rows, shape);
  if (status != PALIMPSEST_OK) return status;
  PALIMPSEST_REQUIRE(out_ld >= filters && at_ld >= filters);
  for (int32_t e = 0; e < count; e++) {
    const float* words = x + spans[e] * cols;
    const int64_t length = spans[spans_ld + e];
    int64_t f = 0;
    for (; f + kFilters <= filters; f += kFilters)
      forward_filters<kFilters>(words, length, weight + f * shape.window(), bias + f, shape,
                                out + e * out_ld + f, at + e * at_ld + f);
    for (; f < filters; f++)
      forward_filters<1>(words, length, weight + f * shape.window(), bias + f, shape,
                         out + e * out_ld + f, at + e * at_ld + f);
  }
  return PALIMPSEST_OK;
}

int convolution_backward(const float* d_out, int64_t d_out_ld, const int32_t* at, int64_t at_ld,
                         const int32_t* spans, int64_t spans_ld, int32_t count, const float* weight,
                         int64_t filters, int64_t width, float* dx, int64_t rows, int64_t cols) {
  const Shape shape{cols, filters, width};
  int status = check(spans, spans_ld, count, rows, shape);
  if (status != PALIMPSEST_OK) return status;
  PALIMPSEST_REQUIRE(d_out_ld >= filters && at_ld >= filters);
  PALIMPSEST_REQUIRE(inside(spans, spans_ld, 0, count, at, at_ld, shape));
  for (int32_t e = 0; e < count; e++)
    for (int64_t f = 0; f < filters; f++) {
      const int64_t t = at[e * at_ld + f];
      if (t >= 0)
        add_scaled(d_out[e * d_out_ld + f], weight + f * shape.window(), shape.window(),
                   dx + (spans[e] + t) * cols);
    }
  return PALIMPSEST_OK;
}

int convolution_example_grad(const float* x, int64_t rows, int64_t cols, const float* d_out,
                             int64_t d_out_ld, const int32_t* at, int64_t at_ld,
                             const int32_t* spans, int64_t spans_ld, int32_t count, int32_t from,
                             int32_t to, int64_t filters, int64_t width, float* d_weight,
                             float* d_bias) {
  const Shape shape{cols, filters, width};
  int status = check(spans, spans_ld, count, rows, shape);
  if (status != PALIMPSEST_OK) return status;
  PALIMPSEST_REQUIRE(from >= 0 && to >= from && to <= count);
  PALIMPSEST_REQUIRE(d_out_ld >= filters && at_ld >= filters);
  PALIMPSEST_REQUIRE(inside(spans, spans_ld, from, to, at, at_ld, shape));
  for (int32_t e = from; e < to; e++)
    for (int64_t f = 0; f < filters; f++) {
      const int64_t t = at[e * at_ld + f];
      if (t < 0) continue;
      const float d = d_out[e * d_out_ld + f];
      add_scaled(d, x + (spans[e] + t) * cols, shape.window(), d_weight + f * shape.window());
      d_bias[f] += d;
    }
  return PALIMPSEST_OK;
}

PALIMPSEST_END
