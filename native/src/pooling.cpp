// The mean of an example's rows: out = sum x[n] / T, and back dx[n] = d_out / T. The sum of a
// column is one chain over the example's rows in order.
#include "simd.h"

PALIMPSEST_BEGIN

namespace {

// Of each example its first row and the number of its rows, all of which must be there.
int check(const int32_t* spans, int64_t spans_ld, int32_t count, int64_t rows) {
  PALIMPSEST_REQUIRE(count >= 0 && spans_ld >= count && rows >= 0);
  for (int32_t e = 0; e < count; e++) {
    const int64_t first = spans[e], length = spans[spans_ld + e];
    PALIMPSEST_REQUIRE(first >= 0 && length >= 0 && first + length <= rows);
  }
  return PALIMPSEST_OK;
}

}  // namespace

int pooling_forward(const float* x, int64_t x_ld, int64_t rows, int64_t cols, const int32_t* spans,
                    int64_t spans_ld, int32_t count, float* out, int64_t out_ld) {
  PALIMPSEST_REQUIRE(cols > 0 && x_ld >= cols && out_ld >= cols);
  int status = check(spans, spans_ld, count, rows);
  if (status != PALIMPSEST_OK) return status;
  for (int32_t e = 0; e < count; e++) {
    const int64_t first = spans[e], length = spans[spans_ld + e];
    const vf divisor = splat(static_cast<float>(length > 0 ? length : 1));
    for_each_vector(cols, [&](int64_t i, auto n) {
      vf total = zero();
      for (int64_t t = first; t < first + length; t++) total = total + load(x + t * x_ld + i, n);
      store(out + e * out_ld + i, total / divisor, n);
    });
  }
  return PALIMPSEST_OK;
}

int pooling_backward(const float* d_out, int64_t d_out_ld, int64_t rows, int64_t cols,
                     const int32_t* spans, int64_t spans_ld, int32_t count, float* dx,
                     int64_t dx_ld) {
  PALIMPSEST_REQUIRE(cols > 0 && d_out_ld >= cols && dx_ld >= cols);
  int status = check(spans, spans_ld, count, rows);
  if (status != PALIMPSEST_OK) return status;
  for (int32_t e = 0; e < count; e++) {
    const int64_t first = spans[e], length = spans[spans_ld + e];
    const vf divisor = splat(static_cast<float>(length > 0 ? length : 1));
    for (int64_t t = first; t < first + length; t++)
      for_each_vector(cols, [&](int64_t i, auto n) {
        store(dx + t * dx_ld + i, load(d_out + e * d_out_ld + i, n) / divisor, n);
      });
  }
  return PALIMPSEST_OK;
}

PALIMPSEST_END
