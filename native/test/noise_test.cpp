// The noise kernel against integers that Java computed (noise_golden.inc, which a Java test checks
// too), on every tier that this processor runs. Build and run: cmake -S native/test -B build &&
// cmake --build build && ctest --test-dir build
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "palimpsest.h"

#define NOISE_TIER(tier)                                                                    \
  namespace palimpsest {                                                                    \
  namespace tier {                                                                          \
  int noise_accumulate(void*, int32_t, int64_t, int64_t, const uint32_t*, uint64_t, double, \
                       int64_t*, int64_t, int64_t*);                                        \
  }                                                                                         \
  }
NOISE_TIER(portable)
NOISE_TIER(avx2)
NOISE_TIER(avx512)
NOISE_TIER(avx512bf16)
NOISE_TIER(amx)

namespace palimpsest {
int fail(int status, const char*) { return status; }
}  // namespace palimpsest

namespace {

using Kernel = decltype(&palimpsest::portable::noise_accumulate);

struct Tier {
  const char* name;
  Kernel kernel;
  bool runs;
};

// An element that the kernel must leave to the slow path, and its integer.
struct Redo {
  int64_t element, integer;
};

struct Golden {
  uint64_t step;
  int64_t first, count;
  double sigma;
  int64_t head[8];    // the first integers
  uint64_t checksum;  // sum over i of (2 i + 1) z_i modulo 2^64
  std::vector<Redo> redo;
};

const Golden kGolden[] = {
#include "noise_golden.inc"
};

int failures = 0;

void check(bool holds, const char* tier, const char* what) {
  if (holds) return;
  std::printf("FAILED %s: %s\n", tier, what);
  failures++;
}

void fill_key(uint32_t* key) {
  unsigned char bytes[32];
  for (int i = 0; i < 32; i++) bytes[i] = static_cast<unsigned char>(i);
  std::memcpy(key, bytes, 32);
}

uint64_t checksum(const std::vector<int64_t>& z) {
  uint64_t sum = 0;
  for (size_t i = 0; i < z.size(); i++) sum += (2 * i + 1) * static_cast<uint64_t>(z[i]);
  return sum;
}

void golden_integers(const Tier& tier, const uint32_t* key) {
  for (const Golden& g : kGolden) {
    std::vector<int64_t> z(g.count), redo(1024);
    int64_t left = -1;
    int status = tier.kernel(z.data(), PALIMPSEST_I64, g.count, g.first, key, g.step, g.sigma,
                             redo.data(), 1024, &left);
    check(status == PALIMPSEST_OK, tier.name, "status of a good call");
    check(left == static_cast<int64_t>(g.redo.size()), tier.name, "number of undecided elements");
    for (int64_t i = 0; i < left && i < static_cast<int64_t>(g.redo.size()); i++) {
      check(redo[i] == g.redo[i].element, tier.name, "which element is undecided");
      check(z[redo[i] - g.first] == 0, tier.name, "an undecided element is left alone");
      z[redo[i] - g.first] = g.redo[i].integer;
    }
    for (int i = 0; i < 8; i++) check(z[i] == g.head[i], tier.name, "golden integer");
    check(checksum(z) == g.checksum, tier.name, "golden checksum");
  }
}

void any_split(const Tier& tier, const uint32_t* key) {
  std::vector<int64_t> whole(1000, INT64_MAX), parts(1000, INT64_MAX), redo(1000);
  int64_t left;
  tier.kernel(whole.data(), PALIMPSEST_I64, 1000, 77, key, 9, 1e6, redo.data(), 1000, &left);
  for (int64_t from = 0, length = 1; from < 1000; from += length, length = 1 + (length * 7) % 190) {
    if (length > 1000 - from) length = 1000 - from;
    tier.kernel(parts.data() + from, PALIMPSEST_I64, length, 77 + from, key, 9, 1e6, redo.data(),
                1000, &left);
  }
  check(whole == parts, tier.name, "any split of the range gives the same integers");
}

// Sums of 32 bits get the same integers modulo 2^32, also where the list is too small.
void narrow_sums(const Tier& tier, const uint32_t* key) {
  const int64_t count = 1 << 16;
  std::vector<int64_t> wide(count, 1LL << 33), redo(1024);
  std::vector<int32_t> narrow(count, INT32_MAX), expected(count);
  int64_t left;
  tier.kernel(wide.data(), PALIMPSEST_I64, count, 77, key, 9, 0x1p32, redo.data(), 1024, &left);
  for (int64_t i = 0; i < count; i++)
    expected[i] = static_cast<int32_t>(static_cast<uint32_t>(wide[i]) + INT32_MAX);
  tier.kernel(narrow.data(), PALIMPSEST_I32, count, 77, key, 9, 0x1p32, redo.data(), 1024, &left);
  check(narrow == expected, tier.name, "32-bit sums are the 64-bit ones modulo 2^32");
  int64_t needed = 0;
  std::vector<int32_t> large(1 << 20, 42), untouched(large);
  tier.kernel(large.data(), PALIMPSEST_I32, 1 << 20, 0, key, 3, 0x1p32, redo.data(), 1024, &needed);
  large = untouched;
  int status = tier.kernel(large.data(), PALIMPSEST_I32, 1 << 20, 0, key, 3, 0x1p32, redo.data(),
                           needed - 1, &left);
  check(status == PALIMPSEST_WORKSPACE && large == untouched, tier.name,
        "a list that is too small adds nothing to 32-bit sums");
  check(tier.kernel(large.data(), PALIMPSEST_F32, 1, 0, key, 0, 1, redo.data(), 1, &left) ==
            PALIMPSEST_BAD_ARGUMENT,
        tier.name, "sums of another type are refused");
}

void too_small_a_list_adds_nothing(const Tier& tier, const uint32_t* key) {
  const int64_t count = 1 << 20;
  std::vector<int64_t> sums(count, 42), redo(1024), untouched(count, 42);
  int64_t needed, left;
  tier.kernel(sums.data(), PALIMPSEST_I64, count, 0, key, 3, 0x1p32, redo.data(), 1024, &needed);
  check(needed > 2, tier.name, "the widest noise leaves some elements undecided");
  sums = untouched;
  int status = tier.kernel(sums.data(), PALIMPSEST_I64, count, 0, key, 3, 0x1p32, redo.data(),
                           needed - 1, &left);
  check(status == PALIMPSEST_WORKSPACE, tier.name, "status of a list that is too small");
  check(left == 0 && sums == untouched, tier.name, "a list that is too small adds nothing");
}

void bad_arguments(const Tier& tier, const uint32_t* key) {
  int64_t sum = 5, redo = 0, left = 0;
  auto bad = [&](int64_t* s, int64_t count, int64_t first, const uint32_t* k, double sigma) {
    int status = tier.kernel(s, PALIMPSEST_I64, count, first, k, 0, sigma, &redo, 1, &left);
    check(status == PALIMPSEST_BAD_ARGUMENT && sum == 5, tier.name, "a bad argument is refused");
  };
  bad(nullptr, 1, 0, key, 1);
  bad(&sum, 1, 0, nullptr, 1);
  bad(&sum, -1, 0, key, 1);
  bad(&sum, 1, -1, key, 1);
  bad(&sum, 1, 1LL << 35, key, 1);
  bad(&sum, 1, 0, key, 0);
  bad(&sum, 1, 0, key, __builtin_nan(""));
  bad(&sum, 1, 0, key, 0x1.1p32);
}

// The stack below the caller, as a function that has returned left it.
constexpr int kStack = 1 << 16;
__attribute__((noinline)) void paint_stack() {
  char dead[kStack];
  std::memset(dead, 0xA5, kStack);
  __asm__ volatile("" : : "r"(dead) : "memory");
}
__attribute__((noinline)) void copy_stack(uint32_t* out) {
  volatile uint32_t dead[kStack / 4];
  __asm__ volatile("" : : "r"(dead) : "memory");
  for (int i = 0; i < kStack / 4; i++) out[i] = dead[i];
}

// Word `word` of block `counter` of the noise of a step (RFC 8439).
uint32_t chacha20_word(const uint32_t* key, uint32_t counter, uint64_t step, int word) {
  uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, x[16];
  std::memcpy(start + 4, key, 32);
  start[12] = counter;
  start[13] = 1;
  start[14] = static_cast<uint32_t>(step);
  start[15] = static_cast<uint32_t>(step >> 32);
  std::memcpy(x, start, sizeof x);
  auto mix = [&](int a, int b, int d, int by) {
    x[a] += x[b];
    x[d] = std::rotl(x[d] ^ x[a], by);
  };
  for (int round = 0; round < 20; round++)
    for (int i = 0; i < 4; i++) {
      const int turn = round % 2;
      const int a = i, b = 4 + (i + turn) % 4, c = 8 + (i + 2 * turn) % 4,
                d = 12 + (i + 3 * turn) % 4;
      mix(a, b, d, 16);
      mix(c, d, b, 12);
      mix(a, b, d, 8);
      mix(c, d, b, 7);
    }
  return x[word] + start[word];
}

void random_words_do_not_stay_on_the_stack(const Tier& tier, const uint32_t* key) {
  // One superblock, which is the last that the stack can hold anything of.
  std::unordered_set<uint32_t> secrets(key, key + 8);
  for (uint32_t block = 0; block < 16; block++)
    for (int word = 0; word < 16; word++) secrets.insert(chacha20_word(key, block, 5, word));
  std::vector<int64_t> noise(128), redo(128);
  std::vector<uint32_t> stack(kStack / 4);
  int64_t left;
  paint_stack();
  tier.kernel(noise.data(), PALIMPSEST_I64, 128, 0, key, 5, 0x1p30, redo.data(), 128, &left);
  copy_stack(stack.data());
  bool clean = true, painted = false;
  for (uint32_t word : stack) {
    clean &= !secrets.contains(word);
    painted |= word == 0xA5A5A5A5;
  }
  for (size_t i = 0; i + 1 < stack.size(); i++) {
    const uint64_t pair = stack[i] | static_cast<uint64_t>(stack[i + 1]) << 32;
    for (int64_t z : noise) clean &= pair != static_cast<uint64_t>(z) || z == 0;
  }
  check(painted, tier.name, "the stack that is looked at is the one the kernel used");
  check(clean, tier.name, "no key, random word or noise stays on the stack");
}

void time_it(const Tier& tier, const uint32_t* key) {
  const int64_t count = 1 << 18;
  std::vector<int64_t> sums(count), redo(1024);
  int64_t left;
  double best = 1e9;
  for (int i = 0; i < 15; i++) {
    auto from = std::chrono::steady_clock::now();
    tier.kernel(sums.data(), PALIMPSEST_I64, count, 0, key, i, 0x1p20, redo.data(), 1024, &left);
    double ns =
        std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - from).count();
    best = ns / count < best ? ns / count : best;
  }
  std::printf("%-10s %.2f ns an element\n", tier.name, best);
}

}  // namespace

int main() {
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
  const Tier tiers[] = {{"portable", palimpsest::portable::noise_accumulate, true},
                        {"avx2", palimpsest::avx2::noise_accumulate, avx2},
                        {"avx512", palimpsest::avx512::noise_accumulate, avx512},
                        {"avx512bf16", palimpsest::avx512bf16::noise_accumulate, bf16},
                        {"amx", palimpsest::amx::noise_accumulate, bf16}};
  uint32_t key[8];
  fill_key(key);
  for (const Tier& tier : tiers) {
    if (!tier.runs) {
      std::printf("%-10s unsupported\n", tier.name);
      continue;
    }
    golden_integers(tier, key);
    any_split(tier, key);
    narrow_sums(tier, key);
    too_small_a_list_adds_nothing(tier, key);
    bad_arguments(tier, key);
    random_words_do_not_stay_on_the_stack(tier, key);
    time_it(tier, key);
  }
  std::printf(failures ? "%d failures\n" : "passed\n", failures);
  return failures != 0;
}
