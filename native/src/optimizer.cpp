// AdamW: m and v decay towards g and g^2, g = grad_scale * sums;
// p -= learning_rate * (correction1 m / (sqrt(correction2 v) + epsilon) + weight_decay p).
#include "simd.h"

PALIMPSEST_BEGIN

namespace {

inline vf floats(vf x) { return x; }
inline vf floats(vi x) { return __builtin_convertvector(x, vf); }

template <typename Number>
void update(const Number* sums, int64_t count, double grad_scale, double learning_rate,
            double beta1, double beta2, double epsilon, double weight_decay, double correction1,
            double correction2, float* parameters, float* first_moment, float* second_moment) {
  auto constant = [](double x) { return splat(static_cast<float>(x)); };
  vf scale = constant(grad_scale), rate = constant(learning_rate), decay = constant(weight_decay);
  vf b1 = constant(beta1), b2 = constant(beta2), rest1 = constant(1 - beta1),
     rest2 = constant(1 - beta2);
  vf c1 = constant(correction1), c2 = constant(correction2), eps = constant(epsilon);
  for_each_vector(count, [&](int64_t i, auto n) {
    vf g = scale * floats(load(sums + i, n));
    vf m = fma(b1, load(first_moment + i, n), rest1 * g);
    vf v = fma(b2, load(second_moment + i, n), rest2 * g * g);
    vf p = load(parameters + i, n);
    vf direction = fma(decay, p, c1 * m / (sqrt(c2 * v) + eps));
    store(parameters + i, p - rate * direction, n);
    store(first_moment + i, m, n);
    store(second_moment + i, v, n);
  });
}

}  // namespace

int optimizer_update(const void* sums, int32_t sums_type, int64_t count, double grad_scale,
                     double learning_rate, double beta1, double beta2, double epsilon,
                     double weight_decay, double correction1, double correction2, float* parameters,
                     float* first_moment, float* second_moment) {
  PALIMPSEST_REQUIRE(count >= 0);
  auto of = [&](auto* typed) {
    update(typed, count, grad_scale, learning_rate, beta1, beta2, epsilon, weight_decay,
           correction1, correction2, parameters, first_moment, second_moment);
  };
  switch (sums_type) {
    case PALIMPSEST_I64:
      of(static_cast<const int64_t*>(sums));
      break;
    case PALIMPSEST_I32:
      of(static_cast<const int32_t*>(sums));
      break;
    default:
      PALIMPSEST_REQUIRE(sums_type == PALIMPSEST_F32);
      of(static_cast<const float*>(sums));
  }
  return PALIMPSEST_OK;
}

PALIMPSEST_END
