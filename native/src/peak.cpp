// The roof that benchmarks are measured against: register-only multiply-adds, as many as the tier
// can do.
#include <chrono>

#include "simd.h"
#if defined(__AMX_BF16__)
#include "tiles.h"
#endif

PALIMPSEST_BEGIN

#define PALIMPSEST_TWELVE(OP) \
  OP(0) OP(1) OP(2) OP(3) OP(4) OP(5) OP(6) OP(7) OP(8) OP(9) OP(10) OP(11)
#define PALIMPSEST_CLOBBERS                                                                 \
  "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
      "xmm10", "xmm11", "xmm14", "xmm15"

namespace {

#if defined(__AMX_BF16__)
// 1000 rounds of the four products that share two tiles of rows and two of weights, on zeros.
double thousand_rounds_of_tiles() {
  Shapes shapes;
  shapes.set(2 * kTile);
  for (int i = 0; i < 1000; i++) {
    multiply_tiles<0, 4, 6>();
    multiply_tiles<1, 4, 7>();
    multiply_tiles<2, 5, 6>();
    multiply_tiles<3, 5, 7>();
  }
  return 4 * 2.0 * kTile * kTile * kDepth;
}
#endif

// 1000 rounds of twelve independent chains on zeros; returns the FLOP of a round.
double thousand_rounds([[maybe_unused]] int type) {
  long rounds = 1000;
#if defined(__AMX_BF16__)
  if (type == PALIMPSEST_BF16) return thousand_rounds_of_tiles();
#endif
#if defined(__AVX512F__)
#define PALIMPSEST_FMA(i) "vfmadd231ps %%zmm14,%%zmm15,%%zmm" #i "\n"
#define PALIMPSEST_DOT(i) "vdpbf16ps %%zmm14,%%zmm15,%%zmm" #i "\n"
#define PALIMPSEST_CLEAR(i) "vpxord %%zmm" #i ",%%zmm" #i ",%%zmm" #i "\n"
  asm volatile(PALIMPSEST_TWELVE(PALIMPSEST_CLEAR) PALIMPSEST_CLEAR(14) PALIMPSEST_CLEAR(15)::
                   : PALIMPSEST_CLOBBERS);
#if defined(__AVX512BF16__)
  if (type == PALIMPSEST_BF16) {
    asm volatile("1:\n" PALIMPSEST_TWELVE(PALIMPSEST_DOT) "dec %0\njnz 1b\n"
                 : "+r"(rounds)::PALIMPSEST_CLOBBERS);
    return 12 * 64.0;
  }
#endif
  asm volatile("1:\n" PALIMPSEST_TWELVE(PALIMPSEST_FMA) "dec %0\njnz 1b\n"
               : "+r"(rounds)::PALIMPSEST_CLOBBERS);
  return 12 * 32.0;
#elif defined(__AVX2__)
#define PALIMPSEST_FMA(i) "vfmadd231ps %%ymm14,%%ymm15,%%ymm" #i "\n"
#define PALIMPSEST_CLEAR(i) "vpxor %%ymm" #i ",%%ymm" #i ",%%ymm" #i "\n"
  asm volatile(PALIMPSEST_TWELVE(PALIMPSEST_CLEAR) PALIMPSEST_CLEAR(14) PALIMPSEST_CLEAR(15)::
                   : PALIMPSEST_CLOBBERS);
  asm volatile("1:\n" PALIMPSEST_TWELVE(PALIMPSEST_FMA) "dec %0\njnz 1b\n"
               : "+r"(rounds)::PALIMPSEST_CLOBBERS);
  return 12 * 16.0;
#else
#define PALIMPSEST_MUL_ADD(i) "mulps %%xmm14,%%xmm15\naddps %%xmm14,%%xmm" #i "\n"
#define PALIMPSEST_CLEAR(i) "xorps %%xmm" #i ",%%xmm" #i "\n"
  asm volatile(PALIMPSEST_TWELVE(PALIMPSEST_CLEAR) PALIMPSEST_CLEAR(14) PALIMPSEST_CLEAR(15)::
                   : PALIMPSEST_CLOBBERS);
  asm volatile("1:\n" PALIMPSEST_TWELVE(PALIMPSEST_MUL_ADD) "dec %0\njnz 1b\n"
               : "+r"(rounds)::PALIMPSEST_CLOBBERS);
  return 12 * 8.0;
#endif
}

}  // namespace

double peak(int type, double seconds) {
  using Clock = std::chrono::steady_clock;
  auto start = Clock::now();
  double flop = 0, elapsed = 0;
  do {
    flop += 1000 * thousand_rounds(type);
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (elapsed < seconds);
  return flop / elapsed / 1e9;
}

PALIMPSEST_END
