// The nonlinearity of a feed-forward block. With s the logistic function and c = sqrt(2 / pi):
//   silu(x) = x s(x);  gelu_tanh(x) = 0.5 x (1 + tanh(u)) = x s(2 u), u = c (x + 0.044715 x^3): no
//   cancellation for x < 0;  gelu(x) = 0.5 x (1 + erf(x / sqrt 2)) = x P(x), P the normal
//   distribution's function.
#include "simd.h"

PALIMPSEST_BEGIN

namespace {

enum Kind { kGeluTanh = 0, kSiluGated = 1, kGeluTanhGated = 2, kGelu = 3 };

constexpr bool is_gated(int kind) { return kind == kSiluGated || kind == kGeluTanhGated; }

struct Value {
  vf y;   // act(x)
  vf dy;  // act'(x)
};

// s(v) and 1 - s(v). Below -88 s is 0; the exponent stops there, so that no infinity meets a 0.
struct Logistic {
  vf s;
  vf rest;
};
inline Logistic logistic(vf v) {
  vf e = exp(min(splat(88.0f), -v));
  vf s = splat(1.0f) / (splat(1.0f) + e);
  return {select(v < splat(-88.0f), zero(), s), e * s};
}

inline Value silu(vf x) {
  Logistic l = logistic(x);
  vf y = x * l.s;
  // s + x s (1 - s)
  return {y, fma(y, l.rest, l.s)};
}

inline Value gelu_tanh(vf x) {
  const vf c = splat(1.5957691216057308f);  // 2 sqrt(2 / pi)
  const vf cubic = splat(0.044715f);
  // Past 64 the logistic function is 0 or 1 to all digits, and x^3 must not overflow.
  vf t = min(splat(64.0f), max(splat(-64.0f), x));
  vf square = t * t;
  Logistic l = logistic(c * t * fma(cubic, square, splat(1.0f)));
  vf slope = c * fma(splat(3.0f) * cubic, square, splat(1.0f));
  return {x * l.s, fma(t * l.s * l.rest, slope, l.s)};
}

// The upper tail of the normal distribution at x >= 0, half of erfc(z) = t exp(-z^2 + p(t)) with
// z = x / sqrt 2 and t = 1 / (1 + z / 2), within 1.2e-7 of itself (Press et al., Numerical Recipes
// in C, 2nd edition, 6.2, erfcc).
inline vf upper_tail(vf x) {
  vf z = x * splat(0.70710678118654752f);
  vf t = splat(1.0f) / fma(splat(0.5f), z, splat(1.0f));
  vf p = splat(0.17087277f);
  p = fma(p, t, splat(-0.82215223f));
  p = fma(p, t, splat(1.48851587f));
  p = fma(p, t, splat(-1.13520398f));
  p = fma(p, t, splat(0.27886807f));
  p = fma(p, t, splat(-0.18628806f));
  p = fma(p, t, splat(0.09678418f));
  p = fma(p, t, splat(0.37409196f));
  p = fma(p, t, splat(1.00002368f));
  p = fma(p, t, splat(-1.26551223f));
  return splat(0.5f) * t * exp(fma(-z, z, p));
}

inline Value gelu(vf x) {
  const vf inverse_root = splat(0.39894228040143268f);  // 1 / sqrt(2 pi)
  // Past 64 both the tail and the density are 0, and x^2 must not overflow.
  vf near = min(splat(64.0f), max(splat(-64.0f), x));
  vf tail = upper_tail(max(near, -near));
  vf below = select(x < zero(), tail, splat(1.0f) - tail);
  vf density = inverse_root * exp(splat(-0.5f) * near * near);
  return {x * below, fma(near, density, below)};
}

template <int kind>
inline Value act(vf x) {
  if constexpr (kind == kSiluGated)
    return silu(x);
  else if constexpr (kind == kGelu)
    return gelu(x);
  else
    return gelu_tanh(x);
}

template <int kind, class T>
void forward_rows(const void* gate, int64_t gate_ld, const void* up, int64_t up_ld, int64_t rows,
                  int64_t cols, void* out, int64_t out_ld) {
  for (int64_t r = 0; r < rows; r++) {
    const T* g = static_cast<const T*>(gate) + r * gate_ld;
    const T* u = static_cast<const T*>(up) + (is_gated(kind) ? r * up_ld : 0);
    T* y = static_cast<T*>(out) + r * out_ld;
    for_each_vector(cols, [&](int64_t i, auto n) {
      vf v = act<kind>(load(g + i, n)).y;
      if constexpr (is_gated(kind)) v = v * load(u + i, n);
      store(y + i, v, n);
    });
  }
}

template <int kind, class T>
void backward_rows(const void* gate, int64_t gate_ld, const void* up, int64_t up_ld,
                   const float* d_out, int64_t d_out_ld, int64_t rows, int64_t cols, void* d_gate,
                   int64_t d_gate_ld, void* d_up, int64_t d_up_ld) {
  for (int64_t r = 0; r < rows; r++) {
    const T* g = static_cast<const T*>(gate) + r * gate_ld;
    const T* u = static_cast<const T*>(up) + (is_gated(kind) ? r * up_ld : 0);
    const float* d = d_out + r * d_out_ld;
    T* dg = static_cast<T*>(d_gate) + r * d_gate_ld;
    T* du = static_cast<T*>(d_up) + (is_gated(kind) ? r * d_up_ld : 0);
    // Each vector is loaded before it is overwritten: d_gate may be gate, d_up may be up.
    for_each_vector(cols, [&](int64_t i, auto n) {
      Value a = act<kind>(load(g + i, n));
      vf dy = load(d + i, n);
      if constexpr (is_gated(kind)) {
        vf v = load(u + i, n);
        store(dg + i, dy * v * a.dy, n);
        store(du + i, dy * a.y, n);
      } else {
        store(dg + i, dy * a.dy, n);
      }
    });
  }
}

// The same call for each kind and type.
template <template <int, class> class Rows, class... Args>
int dispatch(int32_t kind, int32_t type, Args... args) {
  bool half = type == PALIMPSEST_BF16;
  switch (kind) {
    case kGeluTanh:
      half ? Rows<kGeluTanh, bf16>::run(args...) : Rows<kGeluTanh, float>::run(args...);
      break;
    case kSiluGated:
      half ? Rows<kSiluGated, bf16>::run(args...) : Rows<kSiluGated, float>::run(args...);
      break;
    case kGeluTanhGated:
      half ? Rows<kGeluTanhGated, bf16>::run(args...) : Rows<kGeluTanhGated, float>::run(args...);
      break;
    default:
      half ? Rows<kGelu, bf16>::run(args...) : Rows<kGelu, float>::run(args...);
      break;
  }
  return PALIMPSEST_OK;
}
template <int kind, class T>
struct Forward {
  template <class... Args>
  static void run(Args... args) {
    forward_rows<kind, T>(args...);
  }
};
template <int kind, class T>
struct Backward {
  template <class... Args>
  static void run(Args... args) {
    backward_rows<kind, T>(args...);
  }
};

}  // namespace

int activation_forward(int32_t kind, const void* gate, int64_t gate_ld, const void* up,
                       int64_t up_ld, int32_t type, int64_t rows, int64_t cols, void* out,
                       int64_t out_ld) {
  PALIMPSEST_REQUIRE(kind >= kGeluTanh && kind <= kGelu && is_gated(kind) == (up != nullptr));
  PALIMPSEST_REQUIRE(type == PALIMPSEST_F32 || type == PALIMPSEST_BF16);
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && gate_ld >= cols && out_ld >= cols &&
                     (!is_gated(kind) || up_ld >= cols));
  return dispatch<Forward>(kind, type, gate, gate_ld, up, up_ld, rows, cols, out, out_ld);
}

int activation_backward(int32_t kind, const void* gate, int64_t gate_ld, const void* up,
                        int64_t up_ld, int32_t type, const float* d_out, int64_t d_out_ld,
                        int64_t rows, int64_t cols, void* d_gate, int64_t d_gate_ld, void* d_up,
                        int64_t d_up_ld) {
  PALIMPSEST_REQUIRE(kind >= kGeluTanh && kind <= kGelu && is_gated(kind) == (up != nullptr));
  PALIMPSEST_REQUIRE(is_gated(kind) == (d_up != nullptr));
  PALIMPSEST_REQUIRE(type == PALIMPSEST_F32 || type == PALIMPSEST_BF16);
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && gate_ld >= cols && d_gate_ld >= cols &&
                     d_out_ld >= cols);
  PALIMPSEST_REQUIRE(!is_gated(kind) || (up_ld >= cols && d_up_ld >= cols));
  return dispatch<Backward>(kind, type, gate, gate_ld, up, up_ld, d_out, d_out_ld, rows, cols,
                            d_gate, d_gate_ld, d_up, d_up_ld);
}

PALIMPSEST_END
