// Token and position embedding: out[n] = scale * table[ids[n]] + position_table[positions[n]].
#include "simd.h"

PALIMPSEST_BEGIN

namespace {

bool all_below(const int32_t* indices, int64_t from, int64_t to, int64_t limit) {
  bool good = true;
  for (int64_t n = from; n < to; n++) good &= indices[n] >= 0 && indices[n] < limit;
  return good;
}

template <class T>
void gather_row(const T* token, const T* position, int64_t cols, float scale, float* out) {
  vf s = splat(scale);
  if (position == nullptr)
    for_each_vector(cols, [&](int64_t i, auto n) { store(out + i, s * load(token + i, n), n); });
  else
    for_each_vector(cols, [&](int64_t i, auto n) {
      store(out + i, fma(s, load(token + i, n), load(position + i, n)), n);
    });
}

template <class T>
struct Table {
  const T* data;
  int64_t ld;
  const T* row(int32_t index) const { return data + index * ld; }
};

template <class T>
void gather(const int32_t* ids, const int32_t* positions, int64_t rows, int64_t cols,
            Table<T> tokens, Table<T> places, float scale, float* out, int64_t out_ld) {
  for (int64_t n = 0; n < rows; n++) {
    const T* place = places.data == nullptr ? nullptr : places.row(positions[n]);
    gather_row(tokens.row(ids[n]), place, cols, scale, out + n * out_ld);
  }
}

}  // namespace

int embedding_forward(const int32_t* ids, const int32_t* positions, int64_t rows, int64_t cols,
                      const void* table, int64_t table_ld, int64_t vocabulary,
                      const void* position_table, int64_t position_ld, int64_t position_count,
                      int32_t table_type, float scale, float* out, int64_t out_ld) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && table_ld >= cols && out_ld >= cols);
  PALIMPSEST_REQUIRE(table_type == PALIMPSEST_F32 || table_type == PALIMPSEST_BF16);
  PALIMPSEST_REQUIRE(all_below(ids, 0, rows, vocabulary));
  if (position_table != nullptr) {
    PALIMPSEST_REQUIRE(position_ld >= cols && all_below(positions, 0, rows, position_count));
  }
  auto run = [&]<class T>(T) {
    gather(ids, positions, rows, cols, Table<T>{static_cast<const T*>(table), table_ld},
           Table<T>{static_cast<const T*>(position_table), position_ld}, scale, out, out_ld);
  };
  table_type == PALIMPSEST_BF16 ? run(bf16{}) : run(float{});
  return PALIMPSEST_OK;
}

int embedding_example_grad(const int32_t* ids, const int32_t* positions, const float* d_out,
                           int64_t d_out_ld, int64_t from, int64_t to, int64_t cols, float scale,
                           float* d_table, int64_t table_ld, int64_t vocabulary, float* d_positions,
                           int64_t position_ld, int64_t position_count) {
  PALIMPSEST_REQUIRE(from >= 0 && to >= from && cols > 0 && d_out_ld >= cols && table_ld >= cols);
  PALIMPSEST_REQUIRE(all_below(ids, from, to, vocabulary));
  if (d_positions != nullptr) {
    PALIMPSEST_REQUIRE(position_ld >= cols && all_below(positions, from, to, position_count));
  }
  vf s = splat(scale);
  for (int64_t t = from; t < to; t++) {
    const float* g = d_out + t * d_out_ld;
    float* token = d_table + ids[t] * table_ld;
    for_each_vector(cols, [&](int64_t i, auto n) {
      store(token + i, fma(s, load(g + i, n), load(token + i, n)), n);
    });
    if (d_positions == nullptr) continue;
    float* position = d_positions + positions[t] * position_ld;
    for_each_vector(cols, [&](int64_t i, auto n) {
      store(position + i, load(position + i, n) + load(g + i, n), n);
    });
  }
  return PALIMPSEST_OK;
}

PALIMPSEST_END
