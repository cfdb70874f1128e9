// Rotary position embedding, half-split: the pairs (i, i + rotated / 2) of each head turn by their
// position's angle.
#include "simd.h"

PALIMPSEST_BEGIN

namespace {

// direction is 1 or -1: the sign of the sine.
template <class T>
void rotate_head(const float* x, const float* cos, const float* sin, float direction,
                 int64_t rotated, int64_t head_size, T* y) {
  int64_t half = rotated / 2;
  vf sign = splat(direction);
  for_each_vector(half, [&](int64_t i, auto n) {
    vf a = load(x + i, n), b = load(x + half + i, n);
    vf c = load(cos + i, n), s = sign * load(sin + i, n);
    store(y + i, fma(a, c, -(b * s)), n);
    store(y + half + i, fma(b, c, a * s), n);
  });
  for_each_vector(head_size - rotated,
                  [&](int64_t i, auto n) { store(y + rotated + i, load(x + rotated + i, n), n); });
}

template <class T>
void rotate_row(const float* x, const float* cos, const float* sin, float direction, int32_t heads,
                int64_t rotated, int64_t head_size, T* y) {
  for (int32_t h = 0; h < heads; h++)
    rotate_head(x + h * head_size, cos, sin, direction, rotated, head_size, y + h * head_size);
}

}  // namespace

int rope_forward(const float* x, int64_t x_ld, int64_t rows, int32_t heads, int64_t head_size,
                 int64_t rotated, const int32_t* positions, const float* cos, int64_t cos_ld,
                 const float* sin, int64_t sin_ld, int64_t position_count, int32_t inverse, void* y,
                 int32_t y_type, int64_t y_ld) {
  PALIMPSEST_REQUIRE(rows >= 0 && heads > 0 && head_size > 0 && x_ld >= heads * head_size &&
                     y_ld >= heads * head_size);
  PALIMPSEST_REQUIRE(rotated >= 0 && rotated % 2 == 0 && rotated <= head_size);
  PALIMPSEST_REQUIRE(2 * cos_ld >= rotated && 2 * sin_ld >= rotated);
  PALIMPSEST_REQUIRE(y_type == PALIMPSEST_F32 || y_type == PALIMPSEST_BF16);
  PALIMPSEST_REQUIRE(static_cast<const void*>(x) != y);
  for (int64_t n = 0; n < rows; n++)
    PALIMPSEST_REQUIRE(positions[n] >= 0 && positions[n] < position_count);
  float direction = inverse ? -1.0f : 1.0f;
  for (int64_t n = 0; n < rows; n++) {
    const float* c = cos + positions[n] * cos_ld;
    const float* s = sin + positions[n] * sin_ld;
    if (y_type == PALIMPSEST_BF16)
      rotate_row(x + n * x_ld, c, s, direction, heads, rotated, head_size,
                 static_cast<bf16*>(y) + n * y_ld);
    else
      rotate_row(x + n * x_ld, c, s, direction, heads, rotated, head_size,
                 static_cast<float*>(y) + n * y_ld);
  }
  return PALIMPSEST_OK;
}

PALIMPSEST_END
