// Root-mean-square normalisation: y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps).
#include "simd.h"

PALIMPSEST_BEGIN

namespace {

float sum_of_squares(const float* x, int64_t cols) {
  vf total = zero();
  int64_t i = 0;
  for (; i + kWidth <= cols; i += kWidth) {
    vf v = load(x + i);
    total = fma(v, v, total);
  }
  if (i < cols) {
    vf v = load(x + i, cols - i);
    total = fma(v, v, total);
  }
  return sum(total);
}

template <class T>
void forward_row(const float* x, const float* weight, int64_t cols, float rstd, T* y) {
  vf r = splat(rstd);
  int64_t i = 0;
  for (; i + kWidth <= cols; i += kWidth) store(y + i, load(x + i) * r * load(weight + i));
  if (i < cols) {
    int n = cols - i;
    store(y + i, load(x + i, n) * r * load(weight + i, n), n);
  }
}

}  // namespace

int rmsnorm_forward(const float* x, int64_t x_ld, const float* weight, int64_t rows, int64_t cols,
                    float eps, void* y, int32_t y_type, int64_t y_ld, float* rstd) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && x_ld >= cols && y_ld >= cols);
  for (int64_t n = 0; n < rows; n++) {
    const float* row = x + n * x_ld;
    float r = 1.0f / std::sqrt(sum_of_squares(row, cols) / (float)cols + eps);
    rstd[n] = r;
    if (y_type == PALIMPSEST_BF16)
      forward_row(row, weight, cols, r, static_cast<bf16*>(y) + n * y_ld);
    else
      forward_row(row, weight, cols, r, static_cast<float*>(y) + n * y_ld);
  }
  return PALIMPSEST_OK;
}

// dx += rstd * (w dy - x * rstd^2 * mean(w dy x))
int rmsnorm_backward(const float* dy, int64_t dy_ld, const float* x, int64_t x_ld,
                     const float* weight, const float* rstd, int64_t rows, int64_t cols, float* dx,
                     int64_t dx_ld) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols > 0 && x_ld >= cols && dy_ld >= cols && dx_ld >= cols);
  for (int64_t n = 0; n < rows; n++) {
    const float* g = dy + n * dy_ld;
    const float* row = x + n * x_ld;
    float* out = dx + n * dx_ld;
    vf total = zero();
    for (int64_t i = 0; i < cols; i += kWidth) {
      if (i + kWidth <= cols) {
        total = fma(load(g + i) * load(weight + i), load(row + i), total);
      } else {
        int m = cols - i;
        total = fma(load(g + i, m) * load(weight + i, m), load(row + i, m), total);
      }
    }
    float r = rstd[n];
    vf scale = splat(-r * r * r * (sum(total) / (float)cols));
    vf vr = splat(r);
    for (int64_t i = 0; i < cols; i += kWidth) {
      if (i + kWidth <= cols) {
        vf v = fma(load(g + i) * load(weight + i), vr, load(out + i));
        store(out + i, fma(load(row + i), scale, v));
      } else {
        int m = cols - i;
        vf v = fma(load(g + i, m) * load(weight + i, m), vr, load(out + i, m));
        store(out + i, fma(load(row + i, m), scale, v), m);
      }
    }
  }
  return PALIMPSEST_OK;
}

int rmsnorm_example_grad(const float* dy, int64_t dy_ld, const float* x, int64_t x_ld,
                         const float* rstd, int64_t from, int64_t to, int64_t cols,
                         float* d_weight) {
  PALIMPSEST_REQUIRE(from >= 0 && to >= from && cols > 0 && x_ld >= cols && dy_ld >= cols);
  for (int64_t n = from; n < to; n++) {
    const float* g = dy + n * dy_ld;
    const float* row = x + n * x_ld;
    vf r = splat(rstd[n]);
    for (int64_t i = 0; i < cols; i += kWidth) {
      if (i + kWidth <= cols) {
        store(d_weight + i, fma(load(g + i) * r, load(row + i), load(d_weight + i)));
      } else {
        int m = cols - i;
        store(d_weight + i, fma(load(g + i, m) * r, load(row + i, m), load(d_weight + i, m)), m);
      }
    }
  }
  return PALIMPSEST_OK;
}

PALIMPSEST_END
