// Low-rank adapters: u = s x A^T on the way forward, du = s dy B on the way back, and one example's
// gradients of A and B.
#include "gemm.h"

PALIMPSEST_BEGIN

namespace {

int project(const void* x, int64_t x_ld, const void* factor, int64_t ins, int64_t rank,
            int32_t type, float scale, int64_t rows, void* u, int64_t u_ld) {
  PALIMPSEST_REQUIRE(rows >= 0 && ins > 0 && rank > 0 && x_ld >= ins && u_ld >= rank);
  if (type == PALIMPSEST_BF16) {
    gemm<bf16>(static_cast<const bf16*>(x), x_ld, rows, ins, static_cast<const bf16*>(factor),
               nullptr, 0, 0, nullptr, nullptr, scale, rank, u, true, u_ld, false);
  } else {
    gemm<float>(static_cast<const float*>(x), x_ld, rows, ins, static_cast<const float*>(factor),
                nullptr, 0, 0, nullptr, nullptr, scale, rank, u, false, u_ld, false);
  }
  return PALIMPSEST_OK;
}

}  // namespace

int lora_forward(const void* x, int64_t x_ld, const void* a, int64_t ins, int64_t rank,
                 int32_t type, float scale, int64_t rows, void* u, int64_t u_ld) {
  return project(x, x_ld, a, ins, rank, type, scale, rows, u, u_ld);
}

int lora_backward(const void* dy, int64_t dy_ld, const void* b, int64_t outs, int64_t rank,
                  int32_t type, float scale, int64_t rows, void* du, int64_t du_ld) {
  return project(dy, dy_ld, b, outs, rank, type, scale, rows, du, du_ld);
}

int lora_example_grad(const void* x, int64_t x_ld, const void* u, int64_t u_ld, const void* dy,
                      int64_t dy_ld, const void* du, int64_t du_ld, int32_t type, int64_t ins,
                      int64_t outs, int64_t rank, int64_t from, int64_t to, float* da, float* db) {
  PALIMPSEST_REQUIRE(ins > 0 && outs > 0 && rank > 0 && from >= 0 && to >= from);
  PALIMPSEST_REQUIRE(x_ld >= ins && dy_ld >= outs && u_ld >= rank && du_ld >= rank);
  if (type == PALIMPSEST_BF16) {
    outer(static_cast<const bf16*>(du), du_ld, rank, static_cast<const bf16*>(x), x_ld, ins, from,
          to, da, ins, false, false);
    outer(static_cast<const bf16*>(u), u_ld, rank, static_cast<const bf16*>(dy), dy_ld, outs, from,
          to, db, rank, true, false);
  } else {
    outer(static_cast<const float*>(du), du_ld, rank, static_cast<const float*>(x), x_ld, ins, from,
          to, da, ins, false, false);
    outer(static_cast<const float*>(u), u_ld, rank, static_cast<const float*>(dy), dy_ld, outs,
          from, to, db, rank, true, false);
  }
  return PALIMPSEST_OK;
}

PALIMPSEST_END
