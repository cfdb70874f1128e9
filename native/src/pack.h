// Rows and columns changed places, a vector of them at a time: how operands of matrix products are
// packed. Numbers are moved or rounded to their new type, one by one, so no bit depends on how.
#pragma once
#include <utility>

#include "gemm.h"

PALIMPSEST_BEGIN

// Elements of k that lie side by side in a packed operand.
template <class T>
inline constexpr int kGroup = sizeof(T) == 2 ? 2 : 1;

// Of two rows of a square of blocks h wide, each half of whose blocks goes to the other row.
template <int h, int... j>
PALIMPSEST_INLINE void exchange(vu& a, vu& b, std::integer_sequence<int, j...>) {
  const vu upper = __builtin_shufflevector(a, b, ((j & h) == 0 ? j : kWidth + j - h)...);
  b = __builtin_shufflevector(a, b, ((j & h) == 0 ? j + h : kWidth + j)...);
  a = upper;
}

template <int h>
PALIMPSEST_INLINE void exchange_blocks(vu (&rows)[kWidth]) {
  PALIMPSEST_UNROLL for (int i = 0; i < kWidth; i++) if ((i & h) == 0)
      exchange<h>(rows[i], rows[i + h], std::make_integer_sequence<int, kWidth>());
}

// Rows become columns.
PALIMPSEST_INLINE void transpose(vu (&rows)[kWidth]) {
  exchange_blocks<1>(rows);
  exchange_blocks<2>(rows);
  if constexpr (kWidth > 4) exchange_blocks<4>(rows);
  if constexpr (kWidth > 8) exchange_blocks<8>(rows);
}

template <class V>
PALIMPSEST_INLINE V load_anywhere(const void* p) {
  V v;
  memcpy(&v, p, sizeof v);
  return v;
}

// NaN is quiet behind the conversion of a single bfloat16, so it is here.
template <class V>
PALIMPSEST_INLINE V quiet(V halves) {
  return halves | ((V)((halves & 0x7fff) > 0x7f80) & 0x40);
}

// The bfloat16 nearest to each of kWidth numbers, in the lower half of its lane.
template <class S>
PALIMPSEST_INLINE vu lower_halves(const void* p) {
  if constexpr (sizeof(S) == 2)
    return __builtin_convertvector(quiet(load_anywhere<vh>(p)), vu);
  else
    return __builtin_convertvector(to_bf16(load_anywhere<vf>(p)), vu);
}

// The first kWidth groups of a row, each in a lane.
template <class S, class T>
PALIMPSEST_INLINE vu groups(const void* p) {
  typedef uint16_t halves __attribute__((vector_size(4 * kWidth)));
  if constexpr (sizeof(T) == 4 && sizeof(S) == 4) {
    return load_anywhere<vu>(p);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_convertvector(load_anywhere<vh>(p), vu) << 16;
  } else if constexpr (sizeof(S) == 2) {
    return (vu)quiet(load_anywhere<halves>(p));
  } else {
    const vh both[] = {to_bf16(load_anywhere<vf>(p)),
                       to_bf16(load_anywhere<vf>(static_cast<const char*>(p) + sizeof(vf)))};
    return load_anywhere<vu>(both);
  }
}

// kWidth columns of a group of rows, each column's group in a lane.
template <class S, class T>
PALIMPSEST_INLINE vu groups(const void* first, const void* second) {
  if constexpr (sizeof(T) == 4)
    return groups<S, T>(first);
  else
    return lower_halves<S>(first) | lower_halves<S>(second) << 16;
}

// A matrix somewhere in memory, of weights as a file has them perhaps, which need not start at a
// multiple of their size.
template <class S>
struct Source {
  const char* start;
  int64_t ld;

  const char* at(int64_t row, int64_t column) const {
    return start + (row * ld + column) * (int64_t)sizeof(S);
  }
  float element(int64_t row, int64_t column) const {
    return to_float(load_anywhere<S>(at(row, column)));
  }
};

// Rows [j, j + rows) of the source as the outputs of a panel, as far as k goes in whole vectors.
template <class S, class T>
int64_t pack_panel(const Source<S>& source, int64_t j, int64_t rows, int64_t ins, T* panel) {
  constexpr int64_t kStep = kWidth * kGroup<T>;
  int64_t k = 0;
  for (; k + kStep <= ins; k += kStep)
    for (int v = 0; v < kVectors; v++) {
      vu block[kWidth];
      PALIMPSEST_UNROLL for (int i = 0; i < kWidth; i++) block[i] =
          v * kWidth + i < rows ? groups<S, T>(source.at(j + v * kWidth + i, k)) : vu{};
      transpose(block);
      PALIMPSEST_UNROLL for (int i = 0; i < kWidth; i++) memcpy(
          panel + k * kPanel + (i * kPanel + v * kWidth) * kGroup<T>, &block[i], sizeof block[i]);
    }
  return k;
}

// Columns [j, j + kPanel) of the source, whose rows are the inputs.
template <class S, class T>
int64_t pack_columns(const Source<S>& source, int64_t j, int64_t ins, T* panel) {
  int64_t k = 0;
  for (; k + kGroup<T> <= ins; k += kGroup<T>)
    for (int v = 0; v < kVectors; v++) {
      const int64_t column = j + v * kWidth;
      const vu block = groups<S, T>(source.at(k, column), source.at(k + kGroup<T> - 1, column));
      memcpy(panel + k * kPanel + v * kWidth * kGroup<T>, &block, sizeof block);
    }
  return k;
}

// A matrix [outs, ins], or if transposed [ins, outs], as panels of kPanel outputs.
template <class S, class T>
void pack(const void* start, int64_t ld, bool transposed, int64_t ins, int64_t outs, T* packed) {
  const Source<S> source{static_cast<const char*>(start), ld};
  const int64_t ks = padded_k<T>(ins);
  for (int64_t j = 0; j < outs; j += kPanel, packed += ks * kPanel) {
    const int64_t columns = outs - j < kPanel ? outs - j : kPanel;
    int64_t k = 0;
    if (!transposed)
      k = pack_panel(source, j, columns, ins, packed);
    else if (columns == kPanel)
      k = pack_columns(source, j, ins, packed);
    T* to = packed + k * kPanel;
    for (; k < ks; k += kGroup<T>)
      for (int l = 0; l < kPanel; l++)
        for (int h = 0; h < kGroup<T>; h++) {
          float value = 0;
          if (l < columns && k + h < ins)
            value = transposed ? source.element(k + h, j + l) : source.element(j + l, k + h);
          from_float(value, to++);
        }
  }
}

// Columns [0, count) of `rows` rows as rows of `to`, which lie `to_ld` apart.
template <class T>
void pack_transposed(const T* from, int64_t ld, int64_t rows, int64_t count, T* to, int64_t to_ld) {
  constexpr int64_t kStep = kWidth * kGroup<T>;
  const int64_t whole_rows = rows / kStep * kStep, whole = count / kWidth * kWidth;
  for (int64_t t = 0; t < whole_rows; t += kStep)
    for (int64_t i = 0; i < whole; i += kWidth) {
      vu block[kWidth];
      PALIMPSEST_UNROLL for (int p = 0; p < kWidth; p++) {
        const T* first = from + (t + p * kGroup<T>)*ld + i;
        block[p] = groups<T, T>(first, first + (kGroup<T> - 1) * ld);
      }
      transpose(block);
      PALIMPSEST_UNROLL for (int p = 0; p < kWidth; p++)
          memcpy(to + (i + p) * to_ld + t, &block[p], sizeof block[p]);
    }
  for (int64_t t = 0; t < rows; t++)
    for (int64_t i = t < whole_rows ? whole : 0; i < count; i++)
      to[i * to_ld + t] = from[t * ld + i];
}

PALIMPSEST_END
