// Linear layers: y = x W^T + bias with an adapter's low-rank term as further k, and the weight
// gradient of one example.
#include "pack.h"
#include "verify.h"
#include "workspace.h"

PALIMPSEST_BEGIN

extern const int kPanelWidth;
const int kPanelWidth = kPanel;

int linear_pack(const void* source, int32_t source_type, int64_t source_ld, int32_t transposed,
                int64_t ins, int64_t outs, void* packed, int32_t packed_type) {
  PALIMPSEST_REQUIRE(ins > 0 && outs > 0 && source_ld >= (transposed ? outs : ins));
  bool from_bf16 = source_type == PALIMPSEST_BF16, to_bf16 = packed_type == PALIMPSEST_BF16;
  if (from_bf16 && to_bf16)
    pack<bf16>(source, source_ld, transposed, ins, outs, static_cast<bf16*>(packed));
  else if (from_bf16)
    pack<bf16>(source, source_ld, transposed, ins, outs, static_cast<float*>(packed));
  else if (to_bf16)
    pack<float>(source, source_ld, transposed, ins, outs, static_cast<bf16*>(packed));
  else
    pack<float>(source, source_ld, transposed, ins, outs, static_cast<float*>(packed));
  return PALIMPSEST_OK;
}

int linear_forward(const void* x, int64_t x_ld, const void* w, int64_t ins, const void* u,
                   int64_t u_ld, const void* f, int64_t rank, int32_t type, const float* bias,
                   float alpha, int64_t rows, int64_t outs, void* y, int32_t y_type, int64_t y_ld,
                   int32_t add) {
  PALIMPSEST_REQUIRE(rows >= 0 && ins > 0 && outs > 0 && rank >= 0 && x_ld >= ins && y_ld >= outs);
  PALIMPSEST_REQUIRE(rank == 0 || (u != nullptr && f != nullptr && u_ld >= rank));
  PALIMPSEST_REQUIRE(!add || (y_type == PALIMPSEST_F32 && alpha == 1.0f));
  bool y_bf16 = y_type == PALIMPSEST_BF16;
  if (type == PALIMPSEST_BF16) {
    gemm(static_cast<const bf16*>(x), x_ld, rows, ins, static_cast<const bf16*>(w),
         static_cast<const bf16*>(u), u_ld, rank, static_cast<const bf16*>(f), bias, alpha, outs, y,
         y_bf16, y_ld, add);
  } else {
    gemm(static_cast<const float*>(x), x_ld, rows, ins, static_cast<const float*>(w),
         static_cast<const float*>(u), u_ld, rank, static_cast<const float*>(f), bias, alpha, outs,
         y, y_bf16, y_ld, add);
  }
  return PALIMPSEST_OK;
}

int linear_bias_example_grad(const void* dy, int64_t dy_ld, int32_t type, int64_t from, int64_t to,
                             int64_t outs, float* d_bias) {
  PALIMPSEST_REQUIRE(outs > 0 && from >= 0 && to >= from && dy_ld >= outs);
  for (int64_t t = from; t < to; t++)
    for (int64_t j = 0; j < outs; j++)
      d_bias[j] += type == PALIMPSEST_BF16 ? to_float(static_cast<const bf16*>(dy)[t * dy_ld + j])
                                           : static_cast<const float*>(dy)[t * dy_ld + j];
  return PALIMPSEST_OK;
}

namespace {

template <class T>
void round_row(const float* from, int64_t cols, T* to) {
  int64_t i = 0;
  for (; i + kWidth <= cols; i += kWidth) store(to + i, load(from + i));
  if (i < cols) store(to + i, load(from + i, (int)(cols - i)), (int)(cols - i));
}

}  // namespace

int linear_round(const float* from, int64_t from_ld, int64_t rows, int64_t cols, void* to,
                 int32_t to_type, int64_t to_ld) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && from_ld >= cols && to_ld >= cols);
  for (int64_t n = 0; n < rows; n++)
    if (to_type == PALIMPSEST_BF16)
      round_row(from + n * from_ld, cols, static_cast<bf16*>(to) + n * to_ld);
    else
      round_row(from + n * from_ld, cols, static_cast<float*>(to) + n * to_ld);
  return PALIMPSEST_OK;
}

// --- Products over the tokens of an example, which are its weight gradient: their norm, and their
// verified sum. a and b are packed so that a tile of the product is what a tile of a forward pass
// is, with tokens as its inputs: rows of a^T on the left, panels of b on the right. Tiles at the
// edges are filled up with zeros and go the same way as the others.

namespace {

constexpr int64_t kLeftRows = 8 * kTileRows;  // of a^T packed at a time
constexpr int64_t kGramTokens = 4 * kPanel;   // columns of a Gram matrix at a time
constexpr int64_t kGramInputs = 4096;         // packed at a time for it

template <class T>
constexpr int64_t floats_of(int64_t elements) {
  return Workspace::size((elements * (int64_t)sizeof(T) + 3) / 4);
}

template <class T>
T* take(Workspace& workspace, int64_t elements) {
  return reinterpret_cast<T*>(workspace.take((elements * (int64_t)sizeof(T) + 3) / 4));
}

constexpr int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// The tokens of some examples: a [.., m] and b [.., n], rows [starts[e], starts[e + 1]) of both.
template <class T>
struct Tokens {
  const T* a;
  int64_t a_ld, m;
  const T* b;
  int64_t b_ld, n;
  const int32_t* starts;
  int32_t count;

  int64_t rows() const { return starts[count] - starts[0]; }
};

// What packing takes for so many rows in so many examples, in elements.
constexpr int64_t right_rows(int64_t rows, int32_t count) { return rows + count; }
constexpr int64_t left_elements(int64_t rows) { return kLeftRows * rows; }
constexpr int64_t right_elements(int64_t rows, int32_t count, int64_t n) {
  return right_rows(rows, count) * round_up(n, kPanel);
}

// One or two rows of b side by side into a row of a panel; q is null behind an odd last one.
inline void pack_rows(const float* p, const float*, int columns, float* to) {
  for (int l = 0; l < kPanel; l++) to[l] = l < columns ? p[l] : 0;
}
inline void pack_rows(const bf16* p, const bf16* q, int columns, bf16* to) {
  const bf16 none{};
  if (columns == kPanel && q != nullptr) {
    for (int l = 0; l < kPanel; l++) {
      to[2 * l] = p[l];
      to[2 * l + 1] = q[l];
    }
    return;
  }
  for (int l = 0; l < kPanel; l++) {
    to[2 * l] = l < columns ? p[l] : none;
    to[2 * l + 1] = l < columns && q != nullptr ? q[l] : none;
  }
}

// b of one example into panels; they lie right_rows apart.
template <class T>
void pack_right(const T* b, int64_t b_ld, int64_t n, int64_t tokens, T* right, int64_t panel_rows) {
  for (int64_t t = 0; t < tokens; t += kGroup<T>) {
    const T* p = b + t * b_ld;
    const T* q = t + 1 < tokens ? p + b_ld : nullptr;
    T* to = right + t * kPanel;
    for (int64_t j = 0; j < n; j += kPanel, to += panel_rows * kPanel)
      pack_rows(p + j, q == nullptr ? nullptr : q + j, n - j < kPanel ? (int)(n - j) : kPanel, to);
  }
}

// `count` rows of a^T from i0, the rest of a whole number of tiles with zeros.
template <class T>
void pack_left(const Tokens<T>& tokens, int64_t i0, int64_t count, T* left) {
  const int64_t rows = tokens.rows();
  pack_transposed(tokens.a + tokens.starts[0] * tokens.a_ld + i0, tokens.a_ld, rows, count, left,
                  rows);
  for (int64_t i = count * rows; i < round_up(count, kTileRows) * rows; i++) left[i] = T{};
}

using ProductTile = vf[kTileRows][kVectors];

// Where a tile lies in the product, and how much of it there is.
struct Place {
  int64_t i, j;
  int rows, columns;
};

// Calls sink(e, c, place) for each example's c, a tile of its product.
template <class T, class Sink>
__attribute__((noinline)) void run_products(const Tokens<T>& tokens, const T* left, const T* right,
                                            const Place& place, Sink& sink) {
  const int64_t rows = tokens.rows();
  for (int e = 0; e < tokens.count; e++) {
    const int64_t from = tokens.starts[e] - tokens.starts[0];
    const int64_t k = tokens.starts[e + 1] - tokens.starts[e];
    if (sink.wants(e)) {
      ProductTile c;
      PALIMPSEST_UNROLL for (int i = 0; i < kTileRows; i++)
          PALIMPSEST_UNROLL for (int v = 0; v < kVectors; v++) c[i][v] = zero();
      multiply<kTileRows, kVectors>(c, left + from, rows, k, right);
      sink.take(e, c, place);
    }
    right += padded_k<T>(k) * kPanel;
  }
}

// The same for every tile, examples innermost, so that what a sink adds to stays in the cache.
template <class T, class Sink>
void for_each_product(const Tokens<T>& tokens, Workspace workspace, Sink& sink) {
  const int64_t panel_rows = right_rows(tokens.rows(), tokens.count);
  T* left = take<T>(workspace, left_elements(tokens.rows()));
  T* right = take<T>(workspace, right_elements(tokens.rows(), tokens.count, tokens.n));
  T* of_example = right;
  for (int e = 0; e < tokens.count; e++) {
    const int64_t from = tokens.starts[e], k = tokens.starts[e + 1] - from;
    pack_right(tokens.b + from * tokens.b_ld, tokens.b_ld, tokens.n, k, of_example, panel_rows);
    of_example += padded_k<T>(k) * kPanel;
  }
  for (int64_t i0 = 0; i0 < tokens.m; i0 += kLeftRows) {
    const int64_t count = tokens.m - i0 < kLeftRows ? tokens.m - i0 : kLeftRows;
    pack_left(tokens, i0, count, left);
    for (int64_t j = 0; j < tokens.n; j += kPanel)
      for (int64_t i = 0; i < count; i += kTileRows) {
        const Place place{i0 + i, j, count - i < kTileRows ? (int)(count - i) : kTileRows,
                          tokens.n - j < kPanel ? (int)(tokens.n - j) : kPanel};
        run_products(tokens, left + i * tokens.rows(), right + j * panel_rows, place, sink);
      }
  }
}

// Adds the product to floats.
struct FloatSum {
  float* out;
  int64_t ld;

  bool wants(int) const { return true; }

  PALIMPSEST_INLINE void take(int, const ProductTile& c, const Place& place) {
    for (int i = 0; i < place.rows; i++)
      for (int v = 0; v < kVectors; v++) {
        const int n = place.columns - v * kWidth;
        if (n <= 0) break;
        float* to = out + (place.i + i) * ld + place.j + v * kWidth;
        if (n < kWidth)
          store(to, load(to, n) + c[i][v], n);
        else
          store(to, load(to) + c[i][v]);
      }
  }
};

// Adds up the squares of a product, exactly but for the sums, which are in double.
struct Squares {
  double total = 0;

  bool wants(int) const { return true; }

  PALIMPSEST_INLINE void take(int, const ProductTile& c, const Place& place) {
    vd low = {}, high = {};
    for (int i = 0; i < place.rows; i++)
      for (int v = 0; v < kVectors; v++) {
        // Lanes past the columns are 0, unless 0 met what is not finite, as the columns did.
        low += lower(c[i][v]) * lower(c[i][v]);
        high += upper(c[i][v]) * upper(c[i][v]);
      }
    total += sum(low + high);
  }
};

// Rows that a product gets besides: those of an embedding whose table is the output layer's weight.
struct MoreRows {
  const int32_t* starts;
  const int32_t* ids;
  const int32_t* rows;
  const float* values;
  int64_t ld;
  float scale;

  // The first of an example's that has an id of at least i.
  int32_t first(int e, int64_t i) const {
    int32_t from = starts[e], to = starts[e + 1];
    while (from < to) {
      const int32_t middle = from + (to - from) / 2;
      ids[middle] < i ? from = middle + 1 : to = middle;
    }
    return from;
  }

  PALIMPSEST_INLINE void add(int e, ProductTile& c, const Place& place) const {
    for (int32_t at = first(e, place.i); at < starts[e + 1] && ids[at] < place.i + place.rows;
         at++) {
      const float* value = values + rows[at] * ld + place.j;
      for (int v = 0; v < kVectors; v++) {
        const int n = place.columns - v * kWidth;
        if (n <= 0) break;
        const vf x = n < kWidth ? load(value + v * kWidth, n) : load(value + v * kWidth);
        c[ids[at] - place.i][v] = fma(splat(scale), x, c[ids[at] - place.i][v]);
      }
    }
  }
};

// Turns each example's product into integers, adds them to the sums and their squares to totals.
struct VerifiedSum {
  const Examples& examples;
  const MoreRows* more;
  int32_t* sums;
  int64_t ld;

  bool wants(int e) const { return examples.enters(e); }

  PALIMPSEST_INLINE void take(int e, ProductTile& c, const Place& place) {
    if (more != nullptr) more->add(e, c, place);
    const bool common =
        examples.ratios[e] == kWhole && place.rows == kTileRows && place.columns == kPanel;
    const uint64_t squares = common ? take_whole(e, c, place) : take_part(e, c, place);
    examples.totals[e] = add_total(examples.totals[e], squares);
  }

  // A whole tile of an example that enters as it is: the same integers without a branch.
  PALIMPSEST_INLINE uint64_t take_whole(int e, const ProductTile& c, const Place& place) {
    const Grid grid(examples.factors[e], 1 << examples.bits);
    vl squares = {};
    int32_t* to = sums + place.i * ld + place.j;
    PALIMPSEST_UNROLL for (int i = 0; i < kTileRows; i++, to += ld)
        PALIMPSEST_UNROLL for (int v = 0; v < kVectors; v++) {
      const vi z = grid.integers(c[i][v]);
      squares = add_squares(squares, z);
      enter(z, kWhole, to + v * kWidth, Full());
    }
    return sum(squares);
  }

  __attribute__((noinline)) uint64_t take_part(int e, const ProductTile& c, const Place& place) {
    const Grid grid(examples.factors[e], 1 << examples.bits);
    vl squares = {};
    for (int i = 0; i < place.rows; i++)
      for (int v = 0; v < kVectors; v++) {
        const int n = place.columns - v * kWidth;
        if (n <= 0) break;
        const vi z = grid.integers(c[i][v]);
        squares = add_squares(squares, z);
        int32_t* to = sums + (place.i + i) * ld + place.j + v * kWidth;
        n < kWidth ? enter(z, examples.ratios[e], to, n) : enter(z, examples.ratios[e], to, Full());
      }
    return sum(squares);
  }
};

// Columns [s0, s0 + count) of x x^T for tokens x [tokens, width]: those of a panel from the row of
// its first column on, since the product is symmetric.
template <class T>
void gram(const T* x, int64_t ld, int64_t width, int64_t tokens, int64_t s0, int64_t count,
          T* packed, float* out) {
  for (int64_t k0 = 0; k0 < width; k0 += kGramInputs) {
    const int64_t k = width - k0 < kGramInputs ? width - k0 : kGramInputs;
    pack<T>(x + s0 * ld + k0, ld, false, k, count, packed);
    for (int64_t j = 0; j < count; j += kPanel)
      gemm<T>(x + (s0 + j) * ld + k0, ld, tokens - s0 - j, k, packed + j * padded_k<T>(k), nullptr,
              0, 0, nullptr, nullptr, 1.0f, count - j < kPanel ? count - j : kPanel,
              out + j * kGramTokens + j, false, kGramTokens, k0 > 0);
  }
}

// sum over t, s of g[t, s] h[t, s] for the columns from s0 on of symmetric g and h, each pair once.
double gram_product(const float* g, const float* h, int64_t rows, int64_t count) {
  double diagonal = 0, below = 0;
  for (int64_t t = 0; t < rows; t++, g += kGramTokens, h += kGramTokens) {
    const int64_t columns = t < count ? t : count;
    vd low = {}, high = {};
    for_each_vector(columns, [&](int64_t s, auto n) {
      vf p = load(g + s, n), q = load(h + s, n);
      low += lower(p) * lower(q);
      high += upper(p) * upper(q);
    });
    below += sum(low + high);
    if (t < count) diagonal += (double)g[t] * (double)h[t];
  }
  return diagonal + 2 * below;
}

template <class T>
int64_t gram_elements(int64_t tokens, int64_t m, int64_t n) {
  const int64_t width = m > n ? m : n;
  return padded_k<T>(width < kGramInputs ? width : kGramInputs) *
         round_up(tokens < kGramTokens ? tokens : kGramTokens, kPanel);
}

// |sum_t a_t^T b_t|^2 = sum over t, s of (a_t . a_s)(b_t . b_s).
template <class T>
double gram_norm(const Tokens<T>& tokens, Workspace workspace) {
  const int64_t rows = tokens.rows(), from = tokens.starts[0];
  T* packed = take<T>(workspace, gram_elements<T>(rows, tokens.m, tokens.n));
  float* g = workspace.take(rows * kGramTokens);
  float* h = workspace.take(rows * kGramTokens);
  double total = 0;
  for (int64_t s = 0; s < rows; s += kGramTokens) {
    const int64_t count = rows - s < kGramTokens ? rows - s : kGramTokens;
    gram(tokens.a + from * tokens.a_ld, tokens.a_ld, tokens.m, rows, s, count, packed, g);
    gram(tokens.b + from * tokens.b_ld, tokens.b_ld, tokens.n, rows, s, count, packed, h);
    total += gram_product(g, h, rows - s, count);
  }
  return total;
}

// Multiply-adds of the two ways to an example's norm; its own length decides, and no mate's.
bool gram_is_less(int64_t tokens, int64_t m, int64_t n) {
  double pairs = 0;
  for (int64_t s = 0; s < tokens; s += kPanel)
    pairs += (double)(tokens - s) * (double)(tokens - s < kPanel ? tokens - s : kPanel);
  return pairs * (double)(m + n) < (double)tokens * (double)m * (double)n;
}

// --- The norm by a sketch: g^T V^T for random vectors V [sketches, m] is a product over the tokens
// too, of a V^T and b, and the mean of its columns' squares has that of g as its expectation. What
// is a V^T in float is rounded to the operands' type: an estimate needs no more.

// Element (r, k) of V, packed.
template <class T>
T element_of(const T* vectors, int64_t m, int64_t r, int64_t k) {
  const T* panel = vectors + r / kPanel * padded_k<T>(m) * kPanel;
  return panel[(k / kGroup<T> * kPanel + r % kPanel) * kGroup<T> + k % kGroup<T>];
}

// Rows that are added to g are further tokens: the one of such a row is V's column of its id.
template <class T>
void append_rows(const Tokens<T>& tokens, const T* vectors, int64_t sketches, const MoreRows& more,
                 T* left, T* right) {
  for (int32_t i = more.starts[0]; i < more.starts[1]; i++, left += sketches, right += tokens.n) {
    for (int64_t r = 0; r < sketches; r++) left[r] = element_of(vectors, tokens.m, r, more.ids[i]);
    const float* value = more.values + more.rows[i] * more.ld;
    for_each_vector(tokens.n, [&](int64_t j, auto n) {
      store(right + j, splat(more.scale) * load(value + j, n), n);
    });
  }
}

template <class T>
double sketched_norm(const Tokens<T>& tokens, const T* vectors, int64_t sketches,
                     const MoreRows& more, Workspace workspace) {
  const int64_t rows = tokens.rows(), from = tokens.starts[0];
  const int32_t all = (int32_t)rows + more.starts[1] - more.starts[0];
  float* wide = workspace.take(rows * sketches);
  T* left = take<T>(workspace, all * sketches);
  T* right = take<T>(workspace, all * tokens.n);
  gemm<T>(tokens.a + from * tokens.a_ld, tokens.a_ld, rows, tokens.m, vectors, nullptr, 0, 0,
          nullptr, nullptr, 1.0f, sketches, wide, false, sketches, false);
  for_each_vector(rows * sketches,
                  [&](int64_t i, auto n) { store(left + i, load(wide + i, n), n); });
  for (int64_t t = 0; t < rows; t++)
    memcpy(right + t * tokens.n, tokens.b + (from + t) * tokens.b_ld, tokens.n * sizeof(T));
  append_rows(tokens, vectors, sketches, more, left + rows * sketches, right + rows * tokens.n);
  const int32_t starts[] = {0, all};
  Squares squares;
  for_each_product(Tokens<T>{left, sketches, sketches, right, tokens.n, tokens.n, starts, 1},
                   workspace, squares);
  return squares.total / (double)sketches;
}

// What a sketch takes of so many tokens, added rows included.
template <class T>
int64_t sketch_floats(int64_t rows, int64_t sketches, int64_t n) {
  return Workspace::size(rows * sketches) + floats_of<T>(rows * sketches) + floats_of<T>(rows * n) +
         floats_of<T>(left_elements(rows)) + floats_of<T>(right_elements(rows, 1, n));
}

int64_t sketch_floats(int32_t type, int64_t rows, int64_t sketches, int64_t n) {
  return type == PALIMPSEST_BF16 ? sketch_floats<bf16>(rows, sketches, n)
                                 : sketch_floats<float>(rows, sketches, n);
}

template <class T>
int64_t workspace_floats(int64_t rows, int32_t count, int64_t m, int64_t n) {
  const int64_t products =
      floats_of<T>(left_elements(rows)) + floats_of<T>(right_elements(rows, count, n));
  const int64_t grams =
      floats_of<T>(gram_elements<T>(rows, m, n)) + 2 * Workspace::size(rows * kGramTokens);
  return products > grams ? products : grams;
}

int64_t workspace_floats(int32_t type, int64_t rows, int32_t count, int64_t m, int64_t n) {
  return type == PALIMPSEST_BF16 ? workspace_floats<bf16>(rows, count, m, n)
                                 : workspace_floats<float>(rows, count, m, n);
}

bool ascend(const int32_t* starts, int32_t count) {
  bool good = starts[0] >= 0;
  for (int e = 0; e < count; e++) good &= starts[e] <= starts[e + 1];
  return good;
}

}  // namespace

int linear_workspace(int64_t rows, int32_t count, int64_t m, int64_t n, int64_t sketches,
                     int32_t type, int64_t* floats) {
  PALIMPSEST_REQUIRE(rows >= 0 && count >= 0 && m > 0 && n > 0 && sketches >= 0);
  *floats = workspace_floats(type, rows, count, m, n);
  const int64_t sketch = sketches == 0 ? 0 : sketch_floats(type, 2 * rows, sketches, n);
  if (sketch > *floats) *floats = sketch;
  return PALIMPSEST_OK;
}

int linear_example_grad(const void* a, int64_t a_ld, int64_t m, const void* b, int64_t b_ld,
                        int64_t n, int32_t type, int64_t from, int64_t to, float* out,
                        int64_t out_ld, float* workspace, int64_t floats) {
  PALIMPSEST_REQUIRE(m > 0 && n > 0 && from >= 0 && to >= from && a_ld >= m && b_ld >= n);
  PALIMPSEST_REQUIRE(out_ld >= n && to <= INT32_MAX);
  if (workspace_floats(type, to - from, 1, m, n) > floats)
    return fail(PALIMPSEST_WORKSPACE, "the workspace is too small for these rows");
  const int32_t starts[] = {(int32_t)from, (int32_t)to};
  FloatSum sum{out, out_ld};
  auto run = [&]<class T>(T) {
    const Tokens<T> tokens{
        static_cast<const T*>(a), a_ld, m, static_cast<const T*>(b), b_ld, n, starts, 1};
    for_each_product(tokens, Workspace(workspace), sum);
  };
  type == PALIMPSEST_BF16 ? run(bf16{}) : run(float{});
  return PALIMPSEST_OK;
}

int linear_example_norm(const void* a, int64_t a_ld, int64_t m, const void* b, int64_t b_ld,
                        int64_t n, int32_t type, int64_t from, int64_t to, const void* vectors,
                        int64_t sketches, const int32_t* more_ids, const int32_t* more_rows,
                        int32_t more_count, const float* more, int64_t more_ld, float more_scale,
                        double* norm_squared, float* workspace, int64_t floats) {
  PALIMPSEST_REQUIRE(m > 0 && n > 0 && from >= 0 && to >= from && a_ld >= m && b_ld >= n);
  const int32_t added = more == nullptr ? 0 : more_count;
  PALIMPSEST_REQUIRE(added >= 0 && to <= INT32_MAX - added);
  PALIMPSEST_REQUIRE(vectors == nullptr ? more == nullptr : sketches > 0);
  const int32_t starts[] = {(int32_t)from, (int32_t)to}, more_starts[] = {0, added};
  if (more != nullptr) {
    PALIMPSEST_REQUIRE(more_ld >= n && ascend(more_starts, 1, more_ids, m));
  }
  const int64_t needed = vectors == nullptr ? workspace_floats(type, to - from, 1, m, n)
                                            : sketch_floats(type, to - from + added, sketches, n);
  if (needed > floats)
    return fail(PALIMPSEST_WORKSPACE, "the workspace is too small for this example");
  const MoreRows rows{more_starts, more_ids, more_rows, more, more_ld, more_scale};
  auto run = [&]<class T>(T) {
    const Tokens<T> tokens{
        static_cast<const T*>(a), a_ld, m, static_cast<const T*>(b), b_ld, n, starts, 1};
    if (vectors != nullptr)
      return sketched_norm(tokens, static_cast<const T*>(vectors), sketches, rows,
                           Workspace(workspace));
    if (gram_is_less(to - from, m, n)) return gram_norm(tokens, Workspace(workspace));
    Squares squares;
    for_each_product(tokens, Workspace(workspace), squares);
    return squares.total;
  };
  *norm_squared = type == PALIMPSEST_BF16 ? run(bf16{}) : run(float{});
  return PALIMPSEST_OK;
}

int linear_accumulate(const void* a, int64_t a_ld, int64_t m, const void* b, int64_t b_ld,
                      int64_t n, int32_t type, const int32_t* starts, int32_t count,
                      const float* factors, const int64_t* ratios, int32_t bits,
                      const int32_t* more_starts, const int32_t* more_ids, const int32_t* more_rows,
                      const float* more, int64_t more_ld, float more_scale, int32_t* sums,
                      int64_t sums_ld, int64_t* totals, float* workspace, int64_t floats) {
  PALIMPSEST_REQUIRE(m > 0 && n > 0 && count >= 0 && a_ld >= m && b_ld >= n && sums_ld >= n);
  PALIMPSEST_REQUIRE(bits >= 1 && bits <= kMaxBits && ascend(starts, count));
  if (more != nullptr) {
    PALIMPSEST_REQUIRE(more_ld >= n && ascend(more_starts, count, more_ids, m));
  }
  if (workspace_floats(type, starts[count] - starts[0], count, m, n) > floats)
    return fail(PALIMPSEST_WORKSPACE, "the workspace is too small for these examples");
  const Examples examples{starts, count, factors, ratios, bits, totals};
  const MoreRows rows{more_starts, more_ids, more_rows, more, more_ld, more_scale};
  VerifiedSum sum{examples, more == nullptr ? nullptr : &rows, sums, sums_ld};
  auto run = [&]<class T>(T) {
    const Tokens<T> tokens{
        static_cast<const T*>(a), a_ld, m, static_cast<const T*>(b), b_ld, n, starts, count};
    for_each_product(tokens, Workspace(workspace), sum);
  };
  type == PALIMPSEST_BF16 ? run(bf16{}) : run(float{});
  return PALIMPSEST_OK;
}

PALIMPSEST_END
