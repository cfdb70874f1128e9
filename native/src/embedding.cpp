// Token and position embedding: out[n] = scale * table[ids[n]] + position_table[positions[n]].
#include "verify.h"

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

namespace {

// Products of floats are exact in double, so only the sums round.
template <class A, class B>
double dot(const A* a, const B* b, int64_t cols) {
  vd low = {}, high = {};
  for_each_vector(cols, [&](int64_t i, auto n) {
    vf x = load(a + i, n), y = load(b + i, n);
    low += lower(x) * lower(y);
    high += upper(x) * upper(y);
  });
  return sum(low + high);
}

// Rows of one example's gradient of the table: equal ids lie side by side.
struct Gradient {
  const int32_t* ids;
  const int32_t* rows;
  int32_t count;
  const float* values;
  int64_t ld;
  int64_t cols;

  const float* row(int32_t i) const { return values + rows[i] * ld; }
};

double norm(const Gradient& g) {
  double total = 0;
  for (int32_t i = 0; i < g.count; i++) {
    total += dot(g.row(i), g.row(i), g.cols);
    for (int32_t j = i + 1; j < g.count && g.ids[j] == g.ids[i]; j++)
      total += 2 * dot(g.row(i), g.row(j), g.cols);
  }
  return total;
}

// The product with sum over t of left[t]^T right[t], which has left[t][id] right[t] in row id.
template <class T>
double product(const Gradient& g, const T* left, int64_t left_ld, const T* right, int64_t right_ld,
               int64_t from, int64_t to) {
  double total = 0;
  for (int64_t t = from; t < to; t++)
    for (int32_t i = 0; i < g.count; i++)
      total += to_float(left[t * left_ld + g.ids[i]]) * dot(right + t * right_ld, g.row(i), g.cols);
  return total;
}

// Rows [from, to) of one id become one row of integers.
void enter_row(const Gradient& g, int32_t from, int32_t to, float scale, const Examples& examples,
               int e, int32_t* sums) {
  // 1024 squares of at most 2^48: the look at the total comes before anything can wrap.
  constexpr int64_t kColumns = 1024;
  const Grid grid(examples.factors[e], 1 << examples.bits);
  for (int64_t first = 0; first < g.cols; first += kColumns) {
    vl squares = {};
    for_each_vector(g.cols - first < kColumns ? g.cols - first : kColumns, [&](int64_t j, auto n) {
      vf x = zero();
      for (int32_t i = from; i < to; i++) x = fma(splat(scale), load(g.row(i) + first + j, n), x);
      const vi z = grid.integers(keep(x, n, zero()));
      squares = add_squares(squares, z);
      enter(z, examples.ratios[e], sums + first + j, n);
    });
    examples.totals[e] = add_total(examples.totals[e], sum(squares));
  }
}

}  // namespace

int embedding_example_norm(const int32_t* ids, const int32_t* rows, int32_t count,
                           const float* values, int64_t values_ld, int64_t cols, float scale,
                           const void* left, int64_t left_ld, const void* right, int64_t right_ld,
                           int32_t type, int64_t vocabulary, int64_t from, int64_t to,
                           double* norm_squared) {
  PALIMPSEST_REQUIRE(count >= 0 && cols > 0 && values_ld >= cols);
  const int32_t starts[] = {0, count};
  PALIMPSEST_REQUIRE(ascend(starts, 1, ids, vocabulary));
  const Gradient g{ids, rows, count, values, values_ld, cols};
  *norm_squared = (double)scale * (double)scale * norm(g);
  if (left == nullptr) return PALIMPSEST_OK;
  PALIMPSEST_REQUIRE(left_ld >= vocabulary && right_ld >= cols && from >= 0 && to >= from);
  auto run = [&]<class T>(T) {
    return product(g, static_cast<const T*>(left), left_ld, static_cast<const T*>(right), right_ld,
                   from, to);
  };
  *norm_squared += 2 * (double)scale * (type == PALIMPSEST_BF16 ? run(bf16{}) : run(float{}));
  return PALIMPSEST_OK;
}

int embedding_accumulate(const int32_t* starts, const int32_t* ids, const int32_t* rows,
                         int32_t count, const float* values, int64_t values_ld, int64_t cols,
                         float scale, const float* factors, const int64_t* ratios, int32_t bits,
                         int64_t vocabulary, int32_t* sums, int64_t sums_ld, int64_t* totals) {
  PALIMPSEST_REQUIRE(count >= 0 && cols > 0 && values_ld >= cols && sums_ld >= cols);
  PALIMPSEST_REQUIRE(bits >= 1 && bits <= kMaxBits);
  PALIMPSEST_REQUIRE(ascend(starts, count, ids, vocabulary));
  const Gradient g{ids, rows, starts[count], values, values_ld, cols};
  const Examples examples{starts, count, factors, ratios, bits, totals};
  for (int e = 0; e < count; e++) {
    if (!examples.enters(e)) continue;
    for (int32_t i = starts[e], next; i < starts[e + 1]; i = next) {
      for (next = i + 1; next < starts[e + 1] && ids[next] == ids[i]; next++) continue;
      enter_row(g, i, next, scale, examples, e, sums + ids[i] * sums_ld);
    }
  }
  return PALIMPSEST_OK;
}

PALIMPSEST_END
