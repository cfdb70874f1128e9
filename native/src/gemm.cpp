// The matrix products behind linear, lora and attention; see gemm.h.
#include "gemm.h"

PALIMPSEST_BEGIN

namespace {

// What a register tile reads and writes.
template <class T>
struct Tile {
  const T* a;  // rows of x in this block of k
  int64_t lda;
  int64_t k;
  const T* panel;
  const T* u;  // rows of an adapter's term; used if rank > 0
  int64_t ldu;
  int64_t rank;
  const T* u_panel;
  const float* bias;  // of this panel, padded; null for none
  float alpha;
  bool add;  // start from y instead of 0
  void* y;
  bool y_bf16;
  int64_t ldy;
  int columns;       // of y in this panel
  const char* next;  // brought into the second-level cache meanwhile
  int next_lines;
};

template <class T, int R, int V>
__attribute__((noinline)) void run_tile(const Tile<T>& tile) {
  for (int i = 0; i < tile.next_lines; i++) __builtin_prefetch(tile.next + 64 * i, 0, 2);
  vf c[R][V];
  PALIMPSEST_UNROLL for (int i = 0; i < R; i++) PALIMPSEST_UNROLL for (int v = 0; v < V; v++)
      c[i][v] = zero();
  if (tile.add) {
    const float* y = static_cast<const float*>(tile.y);
    PALIMPSEST_UNROLL for (int i = 0; i < R; i++) PALIMPSEST_UNROLL for (int v = 0; v < V; v++) {
      int n = tile.columns - v * kWidth;
      if (n >= kWidth)
        c[i][v] = load(y + i * tile.ldy + v * kWidth);
      else if (n > 0)
        c[i][v] = load(y + i * tile.ldy + v * kWidth, n);
    }
  }
  if (tile.bias != nullptr)
    PALIMPSEST_UNROLL for (int i = 0; i < R; i++) PALIMPSEST_UNROLL for (int v = 0; v < V; v++)
        c[i][v] = c[i][v] + load(tile.bias + v * kWidth);
  multiply<R, V>(c, tile.a, tile.lda, tile.k, tile.panel);
  if (tile.rank > 0) multiply<R, V>(c, tile.u, tile.ldu, tile.rank, tile.u_panel);
  if (tile.alpha != 1.0f) {
    vf alpha = splat(tile.alpha);
    PALIMPSEST_UNROLL for (int i = 0; i < R; i++) PALIMPSEST_UNROLL for (int v = 0; v < V; v++)
        c[i][v] = c[i][v] * alpha;
  }
  PALIMPSEST_UNROLL for (int i = 0; i < R; i++)
      store_row<V>(c[i], tile.y, tile.y_bf16, i * tile.ldy, tile.columns);
}

template <class T, int V, int R = kTileRows>
PALIMPSEST_INLINE void run_tile_of(int rows, const Tile<T>& tile) {
  if (rows == R) {
    run_tile<T, R, V>(tile);
  } else if constexpr (R > 1) {
    run_tile_of<T, V, R - 1>(rows, tile);
  }
}

}  // namespace

template <class T>
void gemm(const T* x, int64_t ldx, int64_t rows, int64_t ins, const T* w, const T* u, int64_t ldu,
          int64_t rank, const T* f, const float* bias, float alpha, int64_t outs, void* y,
          bool y_bf16, int64_t ldy, bool add) {
  const int64_t panel_size = padded_k<T>(ins) * kPanel;
  const int64_t block = y_bf16 || alpha != 1.0f ? ins : kBlock;
  for (int64_t k0 = 0; k0 < ins; k0 += block) {
    const int64_t k = ins - k0 < block ? ins - k0 : block;
    const bool first = k0 == 0, last = k0 + k == ins;
    for (int64_t j = 0; j < outs; j += kPanel) {
      const T* panel = w + j / kPanel * panel_size + k0 * kPanel;
      const int64_t tiles = (rows + kTileRows - 1) / kTileRows;
      const int64_t lines = j + kPanel < outs ? (k * kPanel * (int64_t)sizeof(T) + 63) / 64 : 0;
      const char* next = reinterpret_cast<const char*>(panel + panel_size);
      for (int64_t i = 0; i < tiles; i++) {
        const int64_t row = i * kTileRows;
        const int n = rows - row < kTileRows ? (int)(rows - row) : kTileRows;
        const int64_t from = lines * i / tiles, to = lines * (i + 1) / tiles;
        char* out = static_cast<char*>(y) + (row * ldy + j) * (y_bf16 ? 2 : 4);
        Tile<T> tile{x + row * ldx + k0,
                     ldx,
                     k,
                     panel,
                     last && rank > 0 ? u + row * ldu : nullptr,
                     ldu,
                     last ? rank : 0,
                     rank > 0 ? f + j / kPanel * padded_k<T>(rank) * kPanel : nullptr,
                     first && bias != nullptr ? bias + j : nullptr,
                     alpha,
                     add || !first,
                     out,
                     y_bf16,
                     ldy,
                     outs - j < kPanel ? (int)(outs - j) : kPanel,
                     next + 64 * from,
                     (int)(to - from)};
        if (tile.columns > kWidth)
          run_tile_of<T, 2>(n, tile);
        else
          run_tile_of<T, 1>(n, tile);
      }
    }
  }
}

namespace {

constexpr int kOuterRows = kTileRows > 8 ? 8 : 4;
constexpr int kChunk = 256;  // tokens whose left factors are copied at once

using OuterSums = vf[kOuterRows][kVectors];

// The part of out that one tile of outer() makes; transposed as there.
struct OuterTile {
  float* out;
  int64_t ld;
  bool transposed;
  int rows, columns;
  float& at(int i, int l) const { return transposed ? out[l * ld + i] : out[i * ld + l]; }
};

// c = the sums of the tokens before, or 0 where there are none.
PALIMPSEST_INLINE void load_sums(const OuterTile& tile, bool start_from_out, OuterSums& c) {
  alignas(64) float part[kOuterRows][kPanel];
  if (start_from_out)
    for (int i = 0; i < tile.rows; i++)
      for (int l = 0; l < tile.columns; l++) part[i][l] = tile.at(i, l);
  PALIMPSEST_UNROLL for (int i = 0; i < kOuterRows; i++)
      PALIMPSEST_UNROLL for (int v = 0; v < kVectors; v++) c[i][v] =
          start_from_out ? load(part[i] + v * kWidth) : zero();
}

PALIMPSEST_INLINE void store_sums(const OuterSums& c, const OuterTile& tile) {
  if (!tile.transposed && tile.columns == kPanel) {
    for (int i = 0; i < tile.rows; i++)
      for (int v = 0; v < kVectors; v++) store(tile.out + i * tile.ld + v * kWidth, c[i][v]);
    return;
  }
  alignas(64) float part[kOuterRows][kPanel];
  PALIMPSEST_UNROLL for (int i = 0; i < kOuterRows; i++)
      PALIMPSEST_UNROLL for (int v = 0; v < kVectors; v++) store(part[i] + v * kWidth, c[i][v]);
  if (tile.transposed)
    for (int l = 0; l < tile.columns; l++)
      for (int i = 0; i < tile.rows; i++) tile.at(i, l) = part[i][l];
  else
    for (int i = 0; i < tile.rows; i++)
      for (int l = 0; l < tile.columns; l++) tile.at(i, l) = part[i][l];
}

PALIMPSEST_INLINE void add_product(OuterSums& c, const float (&left)[kOuterRows], vf r0, vf r1) {
  PALIMPSEST_UNROLL for (int i = 0; i < kOuterRows; i++) {
    vf l = splat(left[i]);
    c[i][0] = fma(l, r0, c[i][0]);
    c[i][1] = fma(l, r1, c[i][1]);
  }
}

// c += sum over t < tokens of left[t]^T right[t], of which `columns` exist.
template <class T>
PALIMPSEST_INLINE void add_tokens(OuterSums& c, const float (*left)[kOuterRows], const T* right,
                                  int64_t ld, int tokens, int columns) {
  if (columns == kPanel) {
    for (int t = 0; t < tokens; t++, right += ld)
      add_product(c, left[t], load(right), load(right + kWidth));
  } else {
    const int n0 = columns < kWidth ? columns : kWidth, n1 = columns - n0;
    for (int t = 0; t < tokens; t++, right += ld)
      add_product(c, left[t], load(right, n0), n1 > 0 ? load(right + kWidth, n1) : zero());
  }
}

}  // namespace

template <class T>
void outer(const T* a, int64_t lda, int64_t m, const T* b, int64_t ldb, int64_t n, int64_t from,
           int64_t to, float* out, int64_t ld, bool transposed, bool add) {
  alignas(64) float left[kChunk][kOuterRows];
  if (from == to && !add) {
    for (int64_t i = 0; i < (transposed ? n : m); i++)
      for (int64_t j = 0; j < (transposed ? m : n); j++) out[i * ld + j] = 0;
  }
  for (int64_t i0 = 0; i0 < m; i0 += kOuterRows) {
    const int mi = m - i0 < kOuterRows ? (int)(m - i0) : kOuterRows;
    for (int64_t t0 = from; t0 < to; t0 += kChunk) {
      const int tokens = to - t0 < kChunk ? (int)(to - t0) : kChunk;
      for (int t = 0; t < tokens; t++)
        for (int i = 0; i < kOuterRows; i++)
          left[t][i] = i < mi ? to_float(a[(t0 + t) * lda + i0 + i]) : 0.0f;
      const bool start_from_out = add || t0 > from;
      for (int64_t j = 0; j < n; j += kPanel) {
        const OuterTile tile{out + (transposed ? j * ld + i0 : i0 * ld + j), ld, transposed, mi,
                             n - j < kPanel ? (int)(n - j) : kPanel};
        OuterSums c;
        load_sums(tile, start_from_out, c);
        add_tokens(c, left, b + t0 * ldb + j, ldb, tokens, tile.columns);
        store_sums(c, tile);
      }
    }
  }
}

template void gemm<float>(const float*, int64_t, int64_t, int64_t, const float*, const float*,
                          int64_t, int64_t, const float*, const float*, float, int64_t, void*, bool,
                          int64_t, bool);
#if !defined(__AMX_BF16__)  // gemm_tiles.cpp has it there
template void gemm<bf16>(const bf16*, int64_t, int64_t, int64_t, const bf16*, const bf16*, int64_t,
                         int64_t, const bf16*, const float*, float, int64_t, void*, bool, int64_t,
                         bool);
#endif
template void outer<float>(const float*, int64_t, int64_t, const float*, int64_t, int64_t, int64_t,
                           int64_t, float*, int64_t, bool, bool);
template void outer<bf16>(const bf16*, int64_t, int64_t, const bf16*, int64_t, int64_t, int64_t,
                          int64_t, float*, int64_t, bool, bool);

PALIMPSEST_END
