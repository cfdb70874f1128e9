// Layer normalisation: y = h * weight + bias, h = (x - mean) * rstd, rstd = 1 / sqrt(mean((x -
// mean)^2) + eps).
#include "simd.h"

PALIMPSEST_BEGIN

namespace {

template <class T>
void forward_row(const float* x, const float* weight, const float* bias, int64_t cols, float mean,
                 float rstd, T* y) {
  vf m = splat(mean), r = splat(rstd);
  for_each_vector(cols, [&](int64_t i, auto n) {
    vf h = (load(x + i, n) - m) * r;
    store(y + i, fma(h, load(weight + i, n), load(bias + i, n)), n);
  });
}

// Adds rstd * (g - mean(g) - h * mean(g h)) with g = weight * dy.
void backward_row(const float* dy, const float* x, const float* weight, float mean, float rstd,
                  int64_t cols, float* dx) {
  vf m = splat(mean), r = splat(rstd);
  double sum_g =
      sum_over(cols, [&](int64_t i, auto n) { return load(dy + i, n) * load(weight + i, n); });
  double sum_gh = sum_over(cols, [&](int64_t i, auto n) {
    return load(dy + i, n) * load(weight + i, n) * ((load(x + i, n) - m) * r);
  });
  vf mean_g = splat(static_cast<float>(sum_g / cols));
  vf mean_gh = splat(static_cast<float>(sum_gh / cols));
  for_each_vector(cols, [&](int64_t i, auto n) {
    vf g = load(dy + i, n) * load(weight + i, n);
    vf h = (load(x + i, n) - m) * r;
    store(dx + i, fma(r, g - mean_g - h * mean_gh, load(dx + i, n)), n);
  });
}

}  // namespace

int layernorm_forward(const float* x, int64_t x_ld, const float* weight, const float* bias,
                      int64_t rows, int64_t cols, float eps, void* y, int32_t y_type, int64_t y_ld,
                      float* mean, float* rstd) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && x_ld >= cols && y_ld >= cols);
  PALIMPSEST_REQUIRE(y_type == PALIMPSEST_F32 || y_type == PALIMPSEST_BF16);
  for (int64_t n = 0; n < rows; n++) {
    const float* row = x + n * x_ld;
    // The statistics are taken in double: they are shared by the whole row.
    double sum = sum_over(cols, [&](int64_t i, auto k) { return load(row + i, k); });
    float m = static_cast<float>(sum / cols);
    double squares =
        square_sum_over(cols, [&](int64_t i, auto k) { return load(row + i, k) - splat(m); });
    float r = static_cast<float>(1 / std::sqrt(squares / cols + eps));
    mean[n] = m;
    rstd[n] = r;
    if (y_type == PALIMPSEST_BF16)
      forward_row(row, weight, bias, cols, m, r, static_cast<bf16*>(y) + n * y_ld);
    else
      forward_row(row, weight, bias, cols, m, r, static_cast<float*>(y) + n * y_ld);
  }
  return PALIMPSEST_OK;
}

int layernorm_backward(const float* dy, int64_t dy_ld, const float* x, int64_t x_ld,
                       const float* weight, const float* mean, const float* rstd, int64_t rows,
                       int64_t cols, float* dx, int64_t dx_ld) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && x_ld >= cols && dy_ld >= cols && dx_ld >= cols);
  for (int64_t n = 0; n < rows; n++)
    backward_row(dy + n * dy_ld, x + n * x_ld, weight, mean[n], rstd[n], cols, dx + n * dx_ld);
  return PALIMPSEST_OK;
}

int layernorm_example_grad(const float* dy, int64_t dy_ld, const float* x, int64_t x_ld,
                           const float* mean, const float* rstd, int64_t from, int64_t to,
                           int64_t cols, float* d_weight, float* d_bias) {
  PALIMPSEST_REQUIRE(from >= 0 && to >= from && cols > 0 && x_ld >= cols && dy_ld >= cols);
  for (int64_t t = from; t < to; t++) {
    const float* g = dy + t * dy_ld;
    const float* row = x + t * x_ld;
    vf m = splat(mean[t]), r = splat(rstd[t]);
    for_each_vector(cols, [&](int64_t i, auto n) {
      vf v = load(g + i, n);
      store(d_weight + i, fma(v, (load(row + i, n) - m) * r, load(d_weight + i, n)), n);
      store(d_bias + i, load(d_bias + i, n) + v, n);
    });
  }
  return PALIMPSEST_OK;
}

PALIMPSEST_END
