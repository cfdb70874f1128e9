// What is common to all tiers: which tier runs here, the tables, the last error.
#include "palimpsest.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace palimpsest {

namespace {
thread_local const char* last_error = "";

constexpr const char* kTierNames[] = {"portable", "avx2", "avx512", "avx512bf16", "amx"};

// Whether the processor has tile registers for bfloat16 and Linux lets this process use them.
bool may_use_tiles() {
  constexpr unsigned kTileAndBf16 = 1u << 24 | 1u << 22;
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & kTileAndBf16) == kTileAndBf16 &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

int supported_tier() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("x86-64-v3")) return PALIMPSEST_PORTABLE;
  if (!__builtin_cpu_supports("x86-64-v4")) return PALIMPSEST_AVX2;
  if (!__builtin_cpu_supports("avx512bf16")) return PALIMPSEST_AVX512;
  static const bool tiles = may_use_tiles();
  return tiles ? PALIMPSEST_AMX : PALIMPSEST_AVX512BF16;
}
}  // namespace

int fail(int status, const char* text) {
  last_error = text;
  return status;
}

#define TIER(name)                          \
  namespace name {                          \
  extern const palimpsest_kernels kKernels; \
  extern const int kPanelWidth;             \
  double peak(int type, double seconds);    \
  }
TIER(portable) TIER(avx2) TIER(avx512) TIER(avx512bf16) TIER(amx)
#undef TIER

}  // namespace palimpsest

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int palimpsest_best_tier(void) {
  int best = palimpsest::supported_tier();
  const char* cap = std::getenv("PALIMPSEST_MAX_TIER");
  if (cap != nullptr)
    for (int tier = 0; tier < best; tier++)
      if (std::strcmp(cap, palimpsest::kTierNames[tier]) == 0) return tier;
  return best;
}

EXPORT const palimpsest_kernels* palimpsest_kernels_of(int tier) {
  using namespace palimpsest;
  if (tier > supported_tier()) return nullptr;
  switch (tier) {
    case PALIMPSEST_PORTABLE:
      return &portable::kKernels;
    case PALIMPSEST_AVX2:
      return &avx2::kKernels;
    case PALIMPSEST_AVX512:
      return &avx512::kKernels;
    case PALIMPSEST_AVX512BF16:
      return &avx512bf16::kKernels;
    case PALIMPSEST_AMX:
      return &amx::kKernels;
    default:
      return nullptr;
  }
}

EXPORT int palimpsest_panel_width(int tier) {
  using namespace palimpsest;
  switch (tier) {
    case PALIMPSEST_PORTABLE:
      return portable::kPanelWidth;
    case PALIMPSEST_AVX2:
      return avx2::kPanelWidth;
    case PALIMPSEST_AVX512:
      return avx512::kPanelWidth;
    case PALIMPSEST_AVX512BF16:
      return avx512bf16::kPanelWidth;
    case PALIMPSEST_AMX:
      return amx::kPanelWidth;
    default:
      return 0;
  }
}

EXPORT const char* palimpsest_kernel_name(int index) {
  static constexpr const char* names[] = {
#define KERNEL(stem, verb, parameters) #stem "_" #verb,
#include "kernels.def"
#undef KERNEL
  };
  return index >= 0 && index < (int)(sizeof names / sizeof *names) ? names[index] : nullptr;
}

EXPORT const char* palimpsest_last_error(void) { return palimpsest::last_error; }

EXPORT double palimpsest_peak(int tier, int type, double seconds) {
  using namespace palimpsest;
  if (tier < 0 || tier > supported_tier()) return 0;
  switch (tier) {
    case PALIMPSEST_PORTABLE:
      return portable::peak(type, seconds);
    case PALIMPSEST_AVX2:
      return avx2::peak(type, seconds);
    case PALIMPSEST_AVX512:
      return avx512::peak(type, seconds);
    case PALIMPSEST_AVX512BF16:
      return avx512bf16::peak(type, seconds);
    default:
      return amx::peak(type, seconds);
  }
}
