// Linear layers: y = x W^T + bias with an adapter's low-rank term as further k, and the weight
// gradient of one example.
#include "gemm.h"

PALIMPSEST_BEGIN

extern const int kPanelWidth;
const int kPanelWidth = kPanel;

namespace {

// Of weights as a file has them, which need not start at a multiple of their size.
template <class S>
float element(const void* source, int64_t index) {
  S x;
  memcpy(&x, static_cast<const char*>(source) + index * sizeof(S), sizeof x);
  return to_float(x);
}

template <class S, class T>
void pack(const void* source, int64_t ld, bool transposed, int64_t ins, int64_t outs, T* packed) {
  const int64_t ks = padded_k<T>(ins);
  constexpr int kGroup = sizeof(T) == 2 ? 2 : 1;
  for (int64_t j = 0; j < outs; j += kPanel)
    for (int64_t k = 0; k < ks; k += kGroup)
      for (int l = 0; l < kPanel; l++)
        for (int h = 0; h < kGroup; h++) {
          float value = 0;
          if (j + l < outs && k + h < ins)
            value = element<S>(source, transposed ? (k + h) * ld + j + l : (j + l) * ld + k + h);
          from_float(value, packed++);
        }
}

}  // namespace

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

int linear_example_grad(const void* a, int64_t a_ld, int64_t m, const void* b, int64_t b_ld,
                        int64_t n, int32_t type, int64_t from, int64_t to, float* out,
                        int64_t out_ld, int32_t transposed, int32_t add) {
  PALIMPSEST_REQUIRE(m > 0 && n > 0 && from >= 0 && to >= from && a_ld >= m && b_ld >= n);
  PALIMPSEST_REQUIRE(out_ld >= (transposed ? m : n));
  if (type == PALIMPSEST_BF16)
    outer(static_cast<const bf16*>(a), a_ld, m, static_cast<const bf16*>(b), b_ld, n, from, to, out,
          out_ld, transposed, add);
  else
    outer(static_cast<const float*>(a), a_ld, m, static_cast<const float*>(b), b_ld, n, from, to,
          out, out_ld, transposed, add);
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

PALIMPSEST_END
