// gemm() of bfloat16 in the tile registers of AMX.
//
// 32 rows of x meet 32 outputs, 32 of k at a time. What an instruction adds to a row of sums
// depends on that row of x and on the weights alone, so a row's bits depend neither on the other
// rows nor on how many there are. In which order the 32 of k are added is the processor's own, and
// it takes denormals for 0.
#include "gemm.h"

#if defined(__AMX_BF16__)
#include "tiles.h"

PALIMPSEST_BEGIN

namespace {

constexpr int kGroup = 2 * kTile;      // rows of x in one product
constexpr int64_t kPass = 8 * kGroup;  // rows for which the weights are read once
static_assert(kPanel == 2 * kTile);

// One of the two products of a gemm, over the rows of a pass: a tile register cannot end within a
// row, so what is left of k behind the last whole kDepth is copied, with zeros behind it.
class Operand {
 public:
  void set(const bf16* rows, int64_t ld, int64_t n, int64_t k) {
    rows_ = rows, ld_ = ld;
    const int64_t rest = k % kDepth;
    if (rest == 0) return;
    for (int64_t i = 0; i < n; i++)
      for (int64_t t = 0; t < kDepth; t++)
        rest_[i][t] = t < rest ? rows[i * ld + k - rest + t] : bf16{0};
  }

  // The panel starts at k0, where k more follow.
  void set_panel(const bf16* panel, int64_t k0, int64_t k) {
    panel_ = panel, k0_ = k0, steps_ = k / kDepth, has_rest_ = k % kDepth != 0;
    if (!has_rest_) return;
    const int64_t there = padded_k<bf16>(k % kDepth) * kPanel;
    const bf16* from = panel + steps_ * kDepth * kPanel;
    for (int64_t i = 0; i < kDepth * kPanel; i++) rest_panel_[i] = i < there ? from[i] : bf16{0};
  }

  // Adds the product of the group that starts at row i to the sums: `lower` if it has more than
  // kTile rows, `right` if the panel has more than kTile outputs.
  template <bool lower, bool right>
  PALIMPSEST_INLINE void add_product(int64_t i, int rows) const {
    const bf16* a = rows_ + i * ld_ + k0_;
    const bf16* b = panel_;
    for (int64_t s = 0; s < steps_; s++, a += kDepth, b += kDepth * kPanel)
      add_step<lower, right>(a, ld_ * (int64_t)sizeof(bf16), b, rows);
    if (has_rest_) add_step<lower, right>(rest_[i], kRowBytes, rest_panel_, rows);
  }

 private:
  template <bool lower, bool right>
  PALIMPSEST_INLINE static void add_step(const bf16* a, int64_t stride, const bf16* b, int rows) {
    const int upper = lower ? kTile : rows;
    load_tile<6>(b, 2 * kRowBytes, kTile);
    load_tile<4>(a, stride, upper);
    multiply_tiles<0, 4, 6>();
    if (right) {
      load_tile<7>(b + kDepth, 2 * kRowBytes, kTile);
      multiply_tiles<1, 4, 7>();
    }
    if (lower) {
      load_tile<5>(reinterpret_cast<const char*>(a) + kTile * stride, stride, rows - kTile);
      multiply_tiles<2, 5, 6>();
      if (right) multiply_tiles<3, 5, 7>();
    }
  }

  const bf16* rows_ = nullptr;
  const bf16* panel_ = nullptr;
  int64_t ld_ = 0, k0_ = 0, steps_ = 0;
  bool has_rest_ = false;
  alignas(64) bf16 rest_[kPass][kDepth];
  alignas(64) bf16 rest_panel_[kDepth * kPanel];
};

// What a group of rows makes of a panel.
struct Group {
  int64_t row;  // in the pass
  int rows, columns;
  const Operand* x;
  const Operand* u;  // null for none
  const float* bias;
  float alpha;
  bool add;
  void* y;
  bool y_bf16;
  int64_t ldy;

  // Whether the sums are stored as they are.
  bool plain() const { return !y_bf16 && alpha == 1.0f && columns == kPanel; }
};

using Sums = float[kGroup][kPanel];

// The sums to start from, where that is not 0.
void start_sums(const Group& group, Sums& sums) {
  const float* y = static_cast<const float*>(group.y);
  for (int i = 0; i < group.rows; i++)
    for (int v = 0; v < kVectors; v++) {
      const int n = group.columns - v * kWidth;
      vf c = zero();
      if (group.add && n > 0) c = load(y + i * group.ldy + v * kWidth, n < kWidth ? n : kWidth);
      if (group.bias != nullptr) c = c + load(group.bias + v * kWidth);
      store(sums[i] + v * kWidth, c);
    }
}

void finish_sums(const Group& group, const Sums& sums) {
  const vf alpha = splat(group.alpha);
  for (int i = 0; i < group.rows; i++) {
    vf c[kVectors] = {};
    for (int v = 0; v * kWidth < group.columns; v++) c[v] = load(sums[i] + v * kWidth) * alpha;
    store_row<kVectors>(c, group.y, group.y_bf16, i * group.ldy, group.columns);
  }
}

template <bool lower, bool right>
PALIMPSEST_INLINE void load_sums(const float* from, int64_t stride, int rows) {
  load_tile<0>(from, stride, lower ? kTile : rows);
  if (right) load_tile<1>(from + kTile, stride, lower ? kTile : rows);
  from += kTile * stride / (int64_t)sizeof(float);
  if (lower) load_tile<2>(from, stride, rows - kTile);
  if (lower && right) load_tile<3>(from + kTile, stride, rows - kTile);
}

template <bool lower, bool right>
PALIMPSEST_INLINE void store_sums(float* to, int64_t stride, int rows) {
  store_tile<0>(to, stride, lower ? kTile : rows);
  if (right) store_tile<1>(to + kTile, stride, lower ? kTile : rows);
  to += kTile * stride / (int64_t)sizeof(float);
  if (lower) store_tile<2>(to, stride, rows - kTile);
  if (lower && right) store_tile<3>(to + kTile, stride, rows - kTile);
}

template <bool lower, bool right>
__attribute__((noinline)) void run_group(const Group& group) {
  alignas(64) Sums sums;
  const int64_t y_stride = group.ldy * (int64_t)sizeof(float);
  if (group.add && group.bias == nullptr && group.columns == kPanel) {
    load_sums<lower, right>(static_cast<const float*>(group.y), y_stride, group.rows);
  } else if (group.add || group.bias != nullptr) {
    start_sums(group, sums);
    load_sums<lower, right>(sums[0], sizeof sums[0], group.rows);
  } else {
    zero_tile<0>();
    zero_tile<1>();
    if (lower) zero_tile<2>();
    if (lower) zero_tile<3>();
  }
  group.x->add_product<lower, right>(group.row, group.rows);
  if (group.u != nullptr) group.u->add_product<lower, right>(group.row, group.rows);
  if (group.plain()) {
    store_sums<lower, right>(static_cast<float*>(group.y), y_stride, group.rows);
  } else {
    store_sums<lower, right>(sums[0], sizeof sums[0], group.rows);
    finish_sums(group, sums);
  }
}

void run_group_of_shape(const Group& group) {
  const bool right = group.columns > kTile;
  if (group.rows > kTile)
    right ? run_group<true, true>(group) : run_group<true, false>(group);
  else
    right ? run_group<false, true>(group) : run_group<false, false>(group);
}

}  // namespace

template <>
void gemm(const bf16* x, int64_t ldx, int64_t rows, int64_t ins, const bf16* w, const bf16* u,
          int64_t ldu, int64_t rank, const bf16* f, const float* bias, float alpha, int64_t outs,
          void* y, bool y_bf16, int64_t ldy, bool add) {
  const int64_t panel_size = padded_k<bf16>(ins) * kPanel;
  const int64_t block = y_bf16 || alpha != 1.0f ? ins : kBlock;
  Shapes shapes;
  Operand base, adapter;
  for (int64_t row0 = 0; row0 < rows; row0 += kPass) {
    const int64_t pass = rows - row0 < kPass ? rows - row0 : kPass;
    base.set(x + row0 * ldx, ldx, pass, ins);
    if (rank > 0) adapter.set(u + row0 * ldu, ldu, pass, rank);
    for (int64_t k0 = 0; k0 < ins; k0 += block) {
      const int64_t k = ins - k0 < block ? ins - k0 : block;
      const bool first = k0 == 0, last = k0 + k == ins;
      for (int64_t j = 0; j < outs; j += kPanel) {
        base.set_panel(w + j / kPanel * panel_size + k0 * kPanel, k0, k);
        if (rank > 0 && last)
          adapter.set_panel(f + j / kPanel * padded_k<bf16>(rank) * kPanel, 0, rank);
        for (int64_t i = 0; i < pass; i += kGroup) {
          const int n = pass - i < kGroup ? (int)(pass - i) : kGroup;
          shapes.set(n);
          run_group_of_shape({i, n, outs - j < kPanel ? (int)(outs - j) : kPanel, &base,
                              rank > 0 && last ? &adapter : nullptr,
                              first && bias != nullptr ? bias + j : nullptr, alpha, add || !first,
                              static_cast<char*>(y) + ((row0 + i) * ldy + j) * (y_bf16 ? 2 : 4),
                              y_bf16, ldy});
        }
      }
    }
  }
}

PALIMPSEST_END

#endif
