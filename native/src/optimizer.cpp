// Updates from g = grad_scale * sums, element by element but for the factored ones.
//
// Adam and AdamW: m and v decay towards g and g^2, with l2 * p added to g before;
// p -= learning_rate * (correction1 m / (sqrt(correction2 v) + epsilon) + weight_decay p).
//
// SGD: v = momentum v + g + l2 * p; p -= learning_rate * v.
//
// Adafactor, of a matrix: row and column sums of g^2, then with factors of rows and columns made of
// them u = clip * g row_factor col_factor, m = beta1 m + (1 - beta1) u, p -= learning_rate * m.
#include "simd.h"

PALIMPSEST_BEGIN

namespace {

inline vf floats(vf x) { return x; }
inline vf floats(vi x) { return __builtin_convertvector(x, vf); }
inline vf constant(double x) { return splat(static_cast<float>(x)); }

template <typename Number>
void adam(const Number* sums, int64_t count, double grad_scale, double learning_rate, double beta1,
          double beta2, double epsilon, double l2, double weight_decay, double correction1,
          double correction2, float* parameters, float* first_moment, float* second_moment) {
  vf scale = constant(grad_scale), rate = constant(learning_rate), decay = constant(weight_decay);
  vf b1 = constant(beta1), b2 = constant(beta2), rest1 = constant(1 - beta1),
     rest2 = constant(1 - beta2), coupled = constant(l2);
  vf c1 = constant(correction1), c2 = constant(correction2), eps = constant(epsilon);
  for_each_vector(count, [&](int64_t i, auto n) {
    vf p = load(parameters + i, n);
    vf g = fma(coupled, p, scale * floats(load(sums + i, n)));
    vf m = fma(b1, load(first_moment + i, n), rest1 * g);
    vf v = fma(b2, load(second_moment + i, n), rest2 * g * g);
    vf direction = fma(decay, p, c1 * m / (sqrt(c2 * v) + eps));
    store(parameters + i, p - rate * direction, n);
    store(first_moment + i, m, n);
    store(second_moment + i, v, n);
  });
}

template <typename Number>
void sgd(const Number* sums, int64_t count, double grad_scale, double learning_rate,
         double momentum, double l2, float* parameters, float* velocity) {
  vf scale = constant(grad_scale), rate = constant(learning_rate), coupled = constant(l2),
     keep_of = constant(momentum);
  for_each_vector(count, [&](int64_t i, auto n) {
    vf p = load(parameters + i, n);
    vf v = fma(coupled, p, scale * floats(load(sums + i, n)));
    if (velocity != nullptr) {
      v = fma(keep_of, load(velocity + i, n), v);
      store(velocity + i, v, n);
    }
    store(parameters + i, p - rate * v, n);
  });
}

// Row by row, so that a column's sum takes the rows in their order.
template <typename Number>
void add_squares(const Number* sums, int64_t rows, int64_t cols, double grad_scale,
                 const float* row_factors, const float* col_factors, double* row_sums,
                 double* col_sums) {
  vf scale = constant(grad_scale);
  for (int64_t row = 0; row < rows; row++) {
    const Number* at = sums + row * cols;
    vf of_row = splat(row_factors == nullptr ? 1 : row_factors[row]);
    row_sums[row] += square_sum_over(cols, [&](int64_t i, auto n) {
      vf g = scale * floats(load(at + i, n));
      vf u = col_factors == nullptr ? g : g * of_row * load(col_factors + i, n);
      if (col_sums != nullptr) {
        float lanes[kWidth];
        store(lanes, u);
        int64_t end = i + kWidth < cols ? i + kWidth : cols;
        for (int64_t j = i; j < end; j++) {
          double x = lanes[j - i];
          col_sums[j] += x * x;
        }
      }
      return u;
    });
  }
}

template <typename Number>
void factored(const Number* sums, int64_t rows, int64_t cols, double grad_scale,
              const float* row_factors, const float* col_factors, double clip, double learning_rate,
              double beta1, float* parameters, float* moment) {
  vf scale = constant(grad_scale), rate = constant(learning_rate), shrink = constant(clip),
     b1 = constant(beta1), rest1 = constant(1 - beta1);
  for (int64_t row = 0; row < rows; row++) {
    int64_t first = row * cols;
    vf of_row = splat(row_factors[row]);
    for_each_vector(cols, [&](int64_t i, auto n) {
      vf g = scale * floats(load(sums + first + i, n));
      vf u = shrink * (g * of_row * load(col_factors + i, n));
      if (moment != nullptr) {
        u = fma(b1, load(moment + first + i, n), rest1 * u);
        store(moment + first + i, u, n);
      }
      store(parameters + first + i, load(parameters + first + i, n) - rate * u, n);
    });
  }
}

// Calls body with the sums as what they are.
template <typename Body>
int with_type(const void* sums, int32_t sums_type, Body&& body) {
  switch (sums_type) {
    case PALIMPSEST_I64:
      body(static_cast<const int64_t*>(sums));
      break;
    case PALIMPSEST_I32:
      body(static_cast<const int32_t*>(sums));
      break;
    default:
      PALIMPSEST_REQUIRE(sums_type == PALIMPSEST_F32);
      body(static_cast<const float*>(sums));
  }
  return PALIMPSEST_OK;
}

}  // namespace

int optimizer_update(const void* sums, int32_t sums_type, int64_t count, double grad_scale,
                     double learning_rate, double beta1, double beta2, double epsilon, double l2,
                     double weight_decay, double correction1, double correction2, float* parameters,
                     float* first_moment, float* second_moment) {
  PALIMPSEST_REQUIRE(count >= 0);
  return with_type(sums, sums_type, [&](auto* typed) {
    adam(typed, count, grad_scale, learning_rate, beta1, beta2, epsilon, l2, weight_decay,
         correction1, correction2, parameters, first_moment, second_moment);
  });
}

int optimizer_sgd_update(const void* sums, int32_t sums_type, int64_t count, double grad_scale,
                         double learning_rate, double momentum, double l2, float* parameters,
                         float* velocity) {
  PALIMPSEST_REQUIRE(count >= 0);
  return with_type(sums, sums_type, [&](auto* typed) {
    sgd(typed, count, grad_scale, learning_rate, momentum, l2, parameters, velocity);
  });
}

int optimizer_factored_accumulate(const void* sums, int32_t sums_type, int64_t rows, int64_t cols,
                                  double grad_scale, const float* row_factors,
                                  const float* col_factors, double* row_sums, double* col_sums) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols >= 0);
  PALIMPSEST_REQUIRE((row_factors == nullptr) == (col_factors == nullptr));
  return with_type(sums, sums_type, [&](auto* typed) {
    add_squares(typed, rows, cols, grad_scale, row_factors, col_factors, row_sums, col_sums);
  });
}

int optimizer_factored_update(const void* sums, int32_t sums_type, int64_t rows, int64_t cols,
                              double grad_scale, const float* row_factors, const float* col_factors,
                              double clip, double learning_rate, double beta1, float* parameters,
                              float* moment) {
  PALIMPSEST_REQUIRE(rows >= 0 && cols >= 0);
  return with_type(sums, sums_type, [&](auto* typed) {
    factored(typed, rows, cols, grad_scale, row_factors, col_factors, clip, learning_rate, beta1,
             parameters, moment);
  });
}

PALIMPSEST_END
