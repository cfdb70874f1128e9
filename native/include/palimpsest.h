/* The C interface of the CPU kernels: one function a kernel and instruction-set tier, all of them
 * pure (no allocation, no thread, no output), single-threaded, and independent of what else is in
 * the batch, to the bit. */
#ifndef PALIMPSEST_H_
#define PALIMPSEST_H_
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum palimpsest_status { PALIMPSEST_OK = 0, PALIMPSEST_BAD_ARGUMENT = 1, PALIMPSEST_WORKSPACE = 2 };
enum palimpsest_type {
  PALIMPSEST_F32 = 0,
  PALIMPSEST_BF16 = 1,
  PALIMPSEST_I64 = 2,
  PALIMPSEST_I32 = 3
};
enum palimpsest_tier {
  PALIMPSEST_PORTABLE = 0,
  PALIMPSEST_AVX2 = 1,
  PALIMPSEST_AVX512 = 2,
  PALIMPSEST_AVX512BF16 = 3,
  PALIMPSEST_AMX = 4
};

typedef struct palimpsest_kernels {
#define KERNEL(stem, verb, parameters) int(*stem##_##verb) parameters;
#include "kernels.def"
#undef KERNEL
} palimpsest_kernels;

/* The best tier this processor runs, capped by the environment variable PALIMPSEST_MAX_TIER (a
 * tier's name). */
int palimpsest_best_tier(void);

/* The kernels of a tier, or null if this processor does not run it. */
const palimpsest_kernels* palimpsest_kernels_of(int tier);

/* Outputs a packed panel holds in this tier. */
int palimpsest_panel_width(int tier);

/* "stem_verb" of kernel i, in the order of palimpsest_kernels; null past the end. */
const char* palimpsest_kernel_name(int index);

/* What was wrong with this thread's last call that did not return PALIMPSEST_OK. */
const char* palimpsest_last_error(void);

/* Achieved FLOP a second of this thread, in 1e9, for about the given seconds of register-only
 * multiply-adds: the roof that benchmarks are measured against. type as in palimpsest_type. */
double palimpsest_peak(int tier, int type, double seconds);

#ifdef __cplusplus
}
#endif
#endif
