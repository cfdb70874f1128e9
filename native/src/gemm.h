// Matrix products of the CPU backend: y = x w, x row-major, w packed into panels of kPanel outputs.
//
// A register tile holds `rows` x `vectors` accumulators, one lane an output element. Each element
// is one chain of multiply-adds over k in ascending order (for bfloat16: over pairs of k), then
// over the rank of an adapter's term. The chain does not depend on how many rows the tile has, so a
// row's bits do not depend on the batch; k is cut into blocks by k alone.
#pragma once
#include "simd.h"

PALIMPSEST_BEGIN

#if defined(__AVX512F__)
inline constexpr int kTileRows = 12;
#elif defined(__AVX2__)
inline constexpr int kTileRows = 6;
#else
inline constexpr int kTileRows = 4;
#endif
inline constexpr int kVectors = 2;
inline constexpr int kPanel = kVectors * kWidth;
// A panel's block of k: half of a 1 MB second-level cache holds 256 rows of it.
inline constexpr int64_t kBlock = 1024;

#if defined(__SANITIZE_ADDRESS__)
#define PALIMPSEST_UNROLL  // checks many times over, which would take minutes to compile
#else
#define PALIMPSEST_UNROLL _Pragma("GCC unroll 16")
#endif

// c[i][v] += sum over t < k of a[i * lda + t] * b[t * kPanel + v]. Rows are reached from every
// third row's pointer, so that the addresses fit the registers.
template <int R, int V>
PALIMPSEST_INLINE void multiply(vf (&c)[R][V], const float* a, int64_t lda, int64_t k,
                                const float* b) {
  const float* p[(R + 2) / 3];
  PALIMPSEST_UNROLL for (int g = 0; g < (R + 2) / 3; g++) p[g] = a + 3 * g * lda;
  for (int64_t t = 0; t < k; t++) {
    vf bv[V];
    PALIMPSEST_UNROLL for (int v = 0; v < V; v++) bv[v] = load(b + v * kWidth);
    b += kPanel;
    PALIMPSEST_UNROLL for (int i = 0; i < R; i++) {
      vf av = splat(p[i / 3][(i % 3) * lda]);
      PALIMPSEST_UNROLL for (int v = 0; v < V; v++) c[i][v] = fma(av, bv[v], c[i][v]);
    }
    PALIMPSEST_UNROLL for (int g = 0; g < (R + 2) / 3; g++) p[g]++;
  }
}

typedef uint32_t pair_of_bf16 __attribute__((may_alias, aligned(2)));
typedef vu vu_unaligned __attribute__((aligned(4)));

// One step of the same for a pair of bfloat16: c[i][v] += low * low + high * high.
template <int R, int V>
PALIMPSEST_INLINE void multiply_pair(vf (&c)[R][V], const uint32_t (&pairs)[R], const bf16* b) {
  vu bv[V];
  PALIMPSEST_UNROLL for (int v = 0; v < V; v++) bv[v] =
      *reinterpret_cast<const vu_unaligned*>(b + 2 * v * kWidth);
  PALIMPSEST_UNROLL for (int i = 0; i < R; i++) {
#if defined(__AVX512BF16__)
    __m512i av = _mm512_set1_epi32((int)pairs[i]);
    PALIMPSEST_UNROLL for (int v = 0; v < V; v++) c[i][v] =
        (vf)_mm512_dpbf16_ps((__m512)c[i][v], (__m512bh)av, (__m512bh)bv[v]);
#else
    vu av = vu{} + pairs[i];
    vf low = (vf)(av << 16), high = (vf)(av & 0xffff0000u);
    PALIMPSEST_UNROLL for (int v = 0; v < V; v++) {
      c[i][v] = fma(low, (vf)(bv[v] << 16), c[i][v]);
      c[i][v] = fma(high, (vf)(bv[v] & 0xffff0000u), c[i][v]);
    }
#endif
  }
}

// The same for bfloat16. The panel holds pairs of k; the last of an odd k is paired with zero, and
// nothing past the row is read.
template <int R, int V>
PALIMPSEST_INLINE void multiply(vf (&c)[R][V], const bf16* a, int64_t lda, int64_t k,
                                const bf16* b) {
  const bf16* p[(R + 2) / 3];
  PALIMPSEST_UNROLL for (int g = 0; g < (R + 2) / 3; g++) p[g] = a + 3 * g * lda;
  uint32_t pairs[R];
  for (int64_t t = 0; t + 1 < k; t += 2, b += 2 * kPanel) {
    PALIMPSEST_UNROLL for (int i = 0; i < R; i++) pairs[i] =
        *reinterpret_cast<const pair_of_bf16*>(p[i / 3] + (i % 3) * lda);
    multiply_pair<R, V>(c, pairs, b);
    PALIMPSEST_UNROLL for (int g = 0; g < (R + 2) / 3; g++) p[g] += 2;
  }
  if (k % 2 != 0) {
    PALIMPSEST_UNROLL for (int i = 0; i < R; i++) pairs[i] = p[i / 3][(i % 3) * lda].bits;
    multiply_pair<R, V>(c, pairs, b);
  }
}

// The k of a packed panel: bfloat16 comes in pairs.
template <class T>
constexpr int64_t padded_k(int64_t k) {
  return sizeof(T) == 2 ? (k + 1) / 2 * 2 : k;
}

// The first `columns` of V vectors to element `offset` of y.
template <int V>
PALIMPSEST_INLINE void store_row(const vf (&c)[V], void* y, bool y_bf16, int64_t offset,
                                 int columns) {
  PALIMPSEST_UNROLL for (int v = 0; v < V; v++) {
    int n = columns - v * kWidth;
    int64_t at = offset + v * kWidth;
    if (n >= kWidth) {
      if (y_bf16)
        store(static_cast<bf16*>(y) + at, c[v]);
      else
        store(static_cast<float*>(y) + at, c[v]);
    } else if (n > 0) {
      if (y_bf16)
        store(static_cast<bf16*>(y) + at, c[v], n);
      else
        store(static_cast<float*>(y) + at, c[v], n);
    }
  }
}

// y (+)= alpha * (x w + u f + bias), as in kernels.def. With alpha other than 1 or y in bfloat16, k
// is one block.
template <class T>
void gemm(const T* x, int64_t ldx, int64_t rows, int64_t ins, const T* w, const T* u, int64_t ldu,
          int64_t rank, const T* f, const float* bias, float alpha, int64_t outs, void* y,
          bool y_bf16, int64_t ldy, bool add);
#if defined(__AMX_BF16__)
template <>
void gemm(const bf16* x, int64_t ldx, int64_t rows, int64_t ins, const bf16* w, const bf16* u,
          int64_t ldu, int64_t rank, const bf16* f, const float* bias, float alpha, int64_t outs,
          void* y, bool y_bf16, int64_t ldy, bool add);
#endif

// out (+)= sum over t in [from, to) of a[t]^T b[t] in float; out is [m, n], or [n, m] if
// transposed. Every element is one chain over t that starts at `from`: the example's first row.
template <class T>
void outer(const T* a, int64_t lda, int64_t m, const T* b, int64_t ldb, int64_t n, int64_t from,
           int64_t to, float* out, int64_t ld, bool transposed, bool add);

PALIMPSEST_END
