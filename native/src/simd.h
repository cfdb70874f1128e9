// Vectors of floats for one tier, with the few operations that the kernels are written in. All
// arithmetic is IEEE, nothing is fused unless fma() is called, and a partial vector at the end of a
// row goes through the same operations as a full one.
#pragma once
#include <cmath>

#include "tier.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

PALIMPSEST_BEGIN

#if defined(__AVX512F__)
inline constexpr int kWidth = 16;
#elif defined(__AVX2__)
inline constexpr int kWidth = 8;
#else
inline constexpr int kWidth = 4;
#endif

typedef float vf __attribute__((vector_size(4 * kWidth), may_alias));
typedef int32_t vi __attribute__((vector_size(4 * kWidth), may_alias));
typedef uint32_t vu __attribute__((vector_size(4 * kWidth), may_alias));
typedef uint16_t vh __attribute__((vector_size(2 * kWidth), may_alias));
typedef float vf_unaligned __attribute__((vector_size(4 * kWidth), may_alias, aligned(4)));
typedef vh vh_unaligned __attribute__((aligned(2)));

static inline vf splat(float x) { return vf{} + x; }
static inline vf zero() { return vf{}; }

static inline vf load(const float* p) { return *reinterpret_cast<const vf_unaligned*>(p); }
static inline void store(float* p, vf v) { *reinterpret_cast<vf_unaligned*>(p) = v; }

// Widening is exact: a bfloat16 is the upper half of the float.
static inline vf load(const bf16* p) {
#if defined(__AVX512F__)
  __m256i h = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return (vf)((vu)_mm512_maskz_cvtepu16_epi32(0xffff, h) << 16);
#else
  vh h = *reinterpret_cast<const vh_unaligned*>(p);
  return (vf)(__builtin_convertvector(h, vu) << 16);
#endif
}

// Round to nearest, ties to even; NaN stays NaN.
static inline vh to_bf16(vf v) {
  vu bits = (vu)v;
  vu rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  vu nan = (bits >> 16) | 0x40;
  vu half = v != v ? nan : rounded;
#if defined(__AVX512F__)
  return (vh)_mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)half);
#else
  return __builtin_convertvector(half, vh);
#endif
}
static inline void store(bf16* p, vf v) { *reinterpret_cast<vh_unaligned*>(p) = to_bf16(v); }

// The first n elements; the others are 0 when loading and untouched when storing. AddressSanitizer
// does not look into masked instructions, so with it the elements go one by one.
static inline vf load(const float* p, int n) {
#if defined(__AVX512F__) && !defined(__SANITIZE_ADDRESS__)
  return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
  float lanes[kWidth] = {};
  for (int i = 0; i < n; i++) lanes[i] = p[i];
  return load(lanes);
#endif
}
static inline void store(float* p, vf v, int n) {
#if defined(__AVX512F__) && !defined(__SANITIZE_ADDRESS__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
  float lanes[kWidth];
  store(lanes, v);
  for (int i = 0; i < n; i++) p[i] = lanes[i];
#endif
}
static inline vf load(const bf16* p, int n) {
  bf16 lanes[kWidth] = {};
  for (int i = 0; i < n; i++) lanes[i] = p[i];
  return load(lanes);
}
static inline void store(bf16* p, vf v, int n) {
  bf16 lanes[kWidth];
  store(lanes, v);
  for (int i = 0; i < n; i++) p[i] = lanes[i];
}

static inline float to_float(float x) { return x; }
static inline float to_float(bf16 x) {
  uint32_t bits = (uint32_t)x.bits << 16;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}
static inline void from_float(float x, float* out) { *out = x; }
static inline void from_float(float x, bf16* out) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  out->bits = x != x ? (uint16_t)((bits >> 16) | 0x40)
                     : (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// a * b + c; one rounding where the tier has the instruction, two in the portable tier (always the
// same within a tier).
static inline vf fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}

static inline float fma(float a, float b, float c) {
#if defined(__FMA__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

static inline vf select(vi mask, vf yes, vf no) { return mask ? yes : no; }

// The larger (smaller) of the two; b where either is NaN.
static inline vf max(vf a, vf b) { return select(a > b, a, b); }
static inline vf min(vf a, vf b) { return select(a < b, a, b); }

// Sum and maximum of the lanes in a fixed tree.
static inline float sum(vf v) {
  float lanes[kWidth];
  store(lanes, v);
  for (int half = kWidth / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}
static inline float largest(vf v) {
  float lanes[kWidth];
  store(lanes, v);
  for (int half = kWidth / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++)
      lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
  return lanes[0];
}

// e^x within 2 ulp on [-87.3, 88.7]; 0 below, infinity above, NaN for NaN. Cody-Waite reduction by
// ln 2 in two parts, then the degree-6 Taylor-like minimax polynomial of Cephes' expf.
static inline vf exp(vf x) {
  const vf shifter = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  vf clamped = min(splat(88.722f), max(splat(-87.336f), x));
  vf t = fma(clamped, splat(1.44269504088896341f), shifter);
  vf n = t - shifter;
  vf r = fma(n, splat(-0.693359375f), clamped);
  r = fma(n, splat(2.12194440e-4f), r);
  vf p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p * r, r, r) + splat(1.0f);
  // n reaches 128 at the top end: scale by 2^(n-1) and then by 2.
  vf scale = (vf)(((vi)t << 23) + (vi)(vu{} + 0x3f000000u));
  vf y = p * scale * splat(2.0f);
  y = select(x < splat(-87.336f), zero(), y);
  y = select(x > splat(88.722f), splat(INFINITY), y);
  return select(x == x, y, x);
}

// tanh through exp, accurate to a few ulp of 1.
static inline vf tanh(vf x) {
  vf e = exp(splat(2.0f) * min(splat(10.0f), max(splat(-10.0f), x)));
  vf y = (e - splat(1.0f)) / (e + splat(1.0f));
  return select(x == x, y, x);
}

// --- Loops over a row.

// Stands for a whole vector where a count of elements could: load(p, Full()) is load(p).
struct Full {};
template <class T>
static inline vf load(const T* p, Full) {
  return load(p);
}
template <class T>
static inline void store(T* p, vf v, Full) {
  store(p, v);
}

// v with the lanes from n on replaced by another's: what a reduction must not see of a partial
// vector.
static inline vf keep(vf v, Full, vf) { return v; }
static inline vi lane_numbers() {
  vi lane;
  for (int i = 0; i < kWidth; i++) lane[i] = i;
  return lane;
}
static inline vf keep(vf v, int n, vf other) { return select(lane_numbers() < n, v, other); }

// body(i, Full()) for each whole vector of [0, cols), then body(i, n) for the n elements left over.
template <class Body>
static inline void for_each_vector(int64_t cols, Body&& body) {
  int64_t i = 0;
  for (; i + kWidth <= cols; i += kWidth) body(i, Full());
  if (i < cols) body(i, static_cast<int>(cols - i));
}

// Folds the vectors of [0, cols) into four accumulators, a = step(a, i, n), and these into one, in
// an order that depends on cols only.
template <class A, class Step, class Join>
static inline A fold(int64_t cols, A start, Step&& step, Join&& join) {
  A a = start, b = start, c = start, d = start;
  int64_t i = 0;
  for (; i + 4 * kWidth <= cols; i += 4 * kWidth) {
    a = step(a, i, Full());
    b = step(b, i + kWidth, Full());
    c = step(c, i + 2 * kWidth, Full());
    d = step(d, i + 3 * kWidth, Full());
  }
  for (; i + kWidth <= cols; i += kWidth) a = step(a, i, Full());
  if (i < cols) a = step(a, i, static_cast<int>(cols - i));
  return join(join(a, b), join(c, d));
}

// --- Integers.

// Toward zero; the caller keeps |v| below 2^31.
static inline vi truncate(vf v) { return __builtin_convertvector(v, vi); }
static inline vf from_int(vi v) { return __builtin_convertvector(v, vf); }

typedef vi vi_unaligned __attribute__((aligned(4)));
static inline vi load(const int32_t* p, Full) { return *reinterpret_cast<const vi_unaligned*>(p); }
static inline void store(int32_t* p, vi v, Full) { *reinterpret_cast<vi_unaligned*>(p) = v; }
static inline vi load(const int32_t* p, int n) {
  vi v = {};
  for (int i = 0; i < n; i++) v[i] = p[i];
  return v;
}
static inline void store(int32_t* p, vi v, int n) {
  for (int i = 0; i < n; i++) p[i] = v[i];
}

// Vectors of 64-bit sums of squares, exact modulo 2^64.
typedef uint64_t vl __attribute__((vector_size(4 * kWidth), may_alias));
static inline vl add_squares(vl total, vi z) {
  vu magnitude = (vu)(z < 0 ? -z : z);
  vl even = (vl)magnitude & 0xffffffffu, odd = (vl)magnitude >> 32;
#if defined(__AVX512F__)
  total += (vl)_mm512_maskz_mul_epu32(0xff, (__m512i)even, (__m512i)even);
  return total + (vl)_mm512_maskz_mul_epu32(0xff, (__m512i)odd, (__m512i)odd);
#elif defined(__AVX2__)
  total += (vl)_mm256_mul_epu32((__m256i)even, (__m256i)even);
  return total + (vl)_mm256_mul_epu32((__m256i)odd, (__m256i)odd);
#else
  return total + even * even + odd * odd;
#endif
}
static inline uint64_t sum(vl v) {
  uint64_t total = 0;
  for (int i = 0; i < kWidth / 2; i++) total += v[i];
  return total;
}

// The nearest floats of 64-bit integers.
static inline vf load(const int64_t* p, Full) {
#if defined(__AVX512DQ__)
  __m256 low = _mm512_cvtepi64_ps(_mm512_loadu_si512(p));
  __m256 high = _mm512_cvtepi64_ps(_mm512_loadu_si512(p + 8));
  return (vf)_mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
#else
  vf v;
  for (int i = 0; i < kWidth; i++) v[i] = static_cast<float>(p[i]);
  return v;
#endif
}
static inline vf load(const int64_t* p, int n) {
  int64_t lanes[kWidth] = {};
  for (int i = 0; i < n; i++) lanes[i] = p[i];
  return load(lanes, Full());
}

// --- Doubles: the lower and the upper half of a vector, exactly.
typedef double vd __attribute__((vector_size(4 * kWidth), may_alias));
static inline vd lower(vf v) {
#if defined(__AVX512F__)
  return (vd)_mm512_maskz_cvtps_pd(0xff, _mm512_maskz_extractf32x8_ps(0xff, (__m512)v, 0));
#elif defined(__AVX2__)
  return (vd)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)v));
#else
  return vd{v[0], v[1]};
#endif
}
static inline vd upper(vf v) {
#if defined(__AVX512F__)
  return (vd)_mm512_maskz_cvtps_pd(0xff, _mm512_maskz_extractf32x8_ps(0xff, (__m512)v, 1));
#elif defined(__AVX2__)
  return (vd)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)v, 1));
#else
  return vd{v[2], v[3]};
#endif
}
static inline double sum(vd v) {
  double lanes[kWidth / 2];
  for (int i = 0; i < kWidth / 2; i++) lanes[i] = v[i];
  for (int half = kWidth / 4; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}

// The sum in float64 of term(i, n) over a row, in an order that depends on cols only; lanes past
// the end do not count. Term is a vector of floats, or of floats of which the squares are summed
// (square_sum_over), exactly.
template <class Term>
static inline double sum_over(int64_t cols, Term&& term) {
  vd low = {}, high = {};
  for_each_vector(cols, [&](int64_t i, auto n) {
    vf v = keep(term(i, n), n, zero());
    low += lower(v);
    high += upper(v);
  });
  return sum(low + high);
}
template <class Term>
static inline double square_sum_over(int64_t cols, Term&& term) {
  vd low = {}, high = {};
  for_each_vector(cols, [&](int64_t i, auto n) {
    vf v = keep(term(i, n), n, zero());
    low += lower(v) * lower(v);
    high += upper(v) * upper(v);
  });
  return sum(low + high);
}

// Correctly rounded.
static inline vf sqrt(vf v) {
#if defined(__AVX512F__)
  // The maskz forms, here and above, keep the compiler from warning of its own header's undefined
  // operand.
  return (vf)_mm512_maskz_sqrt_ps(0xffff, (__m512)v);
#elif defined(__AVX2__)
  return (vf)_mm256_sqrt_ps((__m256)v);
#else
  for (int i = 0; i < kWidth; i++) v[i] = std::sqrt(v[i]);
  return v;
#endif
}

// --- Lanes picked by a mask.

// The mask with the lanes from n on cleared.
static inline vi keep_lanes(vi mask, Full) { return mask; }
static inline vi keep_lanes(vi mask, int n) { return mask & (lane_numbers() < n); }

// Lane i as bit i.
static inline uint32_t lanes_of(vi mask) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask((__m512i)mask);
#elif defined(__AVX2__)
  return _mm256_movemask_ps((__m256)mask);
#else
  uint32_t lanes = 0;
  for (int i = 0; i < kWidth; i++) lanes |= (mask[i] & 1u) << i;
  return lanes;
#endif
}

// Writes the picked lanes of v one after the other. May write a whole vector at p, or n elements of
// a partial one.
template <class N>
static inline void compress(float* p, vf v, uint32_t lanes, N n) {
#if defined(__AVX512F__)
  store(p, (vf)_mm512_maskz_compress_ps((__mmask16)lanes, (__m512)v), n);
#else
  (void)n;
  for (; lanes != 0; lanes &= lanes - 1) *p++ = v[__builtin_ctz(lanes)];
#endif
}
static inline int64_t sum(vi v) {
  int64_t total = 0;
  for (int i = 0; i < kWidth; i++) total += v[i];
  return total;
}

PALIMPSEST_END
