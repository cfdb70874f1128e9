// Rounded Gaussian integers floor(sigma N + 1/2), added to integer sums: the same integers, to the
// bit, as palimpsest.privacy.NoiseStream in Java and in every tier. docs/noise.md proves the error
// bound behind the constants and gives the map from element to random words.
//
// Everything below is a fixed sequence of IEEE double operations without fused multiply-adds
// (-ffp-contract=off), in vectors of kLanes independent elements.
#include "chacha20.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

PALIMPSEST_BEGIN

namespace {

constexpr int kLanes = kBlocks / 2;    // doubles in a vector
constexpr int kSuperblockBlocks = 16;  // ChaCha20 blocks, whatever the tier
constexpr int kSuperblock = 128;       // elements: two a pair, four pairs a block
constexpr int64_t kMaxElements = 1LL << 35;
constexpr uint32_t kNoisePurpose = 1;

typedef double Doubles __attribute__((vector_size(8 * kLanes)));
typedef int64_t Longs __attribute__((vector_size(8 * kLanes)));
typedef uint64_t Bits __attribute__((vector_size(8 * kLanes)));
typedef uint32_t HalfWords __attribute__((vector_size(4 * kLanes)));

inline Doubles splat(double x) { return Doubles{} + x; }
inline Doubles select(Longs mask, Doubles yes, Doubles no) {
  return (Doubles)(((Longs)yes & mask) | ((Longs)no & ~mask));
}

inline Bits widen(const uint32_t* words) {
  HalfWords half;
  memcpy(&half, words, sizeof half);
  return __builtin_convertvector(half, Bits);
}

// high 2^32 and low + 1/2, both exact: the integer is put under the bits of 2^84 or 2^52.
inline Doubles high_part(Bits high, double origin) {
  return (Doubles)(high | 0x4530000000000000u) - origin;
}
inline Doubles low_part(Bits low) { return (Doubles)(low | 0x4330000000000000u) - (0x1p52 - 0.5); }

// -ln(d / 2^64), or -ln(1 - d / 2^64) where near_one.
inline Doubles negative_log(Doubles d, Longs near_one) {
  constexpr int64_t kSqrtHalf = 0x3fe6a09e00000000;  // bits of a double just under sqrt(1/2)
  Longs offset = (Longs)d - kSqrtHalf;
  Doubles reduced = (Doubles)((offset & 0x000fffffffffffff) + kSqrtHalf) - 1.0;
  // 64 - exponent as a double, through the bits of 2^52.
  Longs count = (64 - (offset >> 52)) & ~near_one;
  Doubles k = (Doubles)(count | 0x4330000000000000) - 0x1p52;
  Doubles f = select(near_one, -(d * 0x1p-64), reduced);
  Doubles s = f / (2.0 + f);
  Doubles z = s * s;
  Doubles r = splat(0x1.8618618618618p-4);
  r = r * z + 0x1.af286bca1af28p-4;
  r = r * z + 0x1.e1e1e1e1e1e1ep-4;
  r = r * z + 0x1.1111111111111p-3;
  r = r * z + 0x1.3b13b13b13b14p-3;
  r = r * z + 0x1.745d1745d1746p-3;
  r = r * z + 0x1.c71c71c71c71cp-3;
  r = r * z + 0x1.2492492492492p-2;
  r = r * z + 0x1.999999999999ap-2;
  r = r * z + 0x1.5555555555555p-1;
  r = r * z;
  Doubles half_square = 0.5 * f * f;
  Doubles logarithm = f - (half_square - s * (half_square + r));
  return k * 0x1.62e42fee00000p-1 + (k * 0x1.a39ef35793c76p-33 - logarithm);
}

// Taylor polynomial of degree 17; z = y y, |y| <= pi/4.
inline Doubles sine(Doubles y, Doubles z) {
  Doubles r = splat(0x1.952c77030ad4ap-49);
  r = r * z - 0x1.ae7f3e733b81fp-41;
  r = r * z + 0x1.6124613a86d09p-33;
  r = r * z - 0x1.ae64567f544e4p-26;
  r = r * z + 0x1.71de3a556c734p-19;
  r = r * z - 0x1.a01a01a01a01ap-13;
  r = r * z + 0x1.1111111111111p-7;
  r = r * z - 0x1.5555555555555p-3;
  return y + y * (z * r);
}

// Taylor polynomial of degree 16; z = y y, |y| <= pi/4.
inline Doubles cosine(Doubles z) {
  Doubles r = splat(0x1.ae7f3e733b81fp-45);
  r = r * z - 0x1.93974a8c07c9dp-37;
  r = r * z + 0x1.1eed8eff8d898p-29;
  r = r * z - 0x1.27e4fb7789f5cp-22;
  r = r * z + 0x1.a01a01a01a01ap-16;
  r = r * z - 0x1.6c16c16c16c17p-10;
  r = r * z + 0x1.5555555555555p-5;
  r = r * z - 0.5;
  return 1.0 + z * r;
}

// Correctly rounded, as IEEE has it.
inline Doubles square_root(Doubles x) {
#if defined(__AVX512F__)
  return (Doubles)_mm512_maskz_sqrt_pd(0xff, (__m512d)x);
#elif defined(__AVX2__)
  return (Doubles)_mm256_sqrt_pd((__m256d)x);
#else
  for (int i = 0; i < kLanes; i++) x[i] = __builtin_sqrt(x[i]);
  return x;
#endif
}

// A superblock: the integers and, where a rounding is decided, all bits set.
struct Superblock {
  alignas(64) int64_t noise[kSuperblock];
  alignas(64) int64_t decided[kSuperblock];
};

// Rounds radius times the cosine or sine, negated where the bits of sign say so.
inline Longs round_product(Doubles radius, Doubles direction, Bits sign, Doubles limit,
                           int64_t* noise, int64_t* decided) {
  constexpr double kRounder = 0x1.8p52;
  Doubles x = radius * (Doubles)((Bits)direction ^ sign);
  Doubles rounded = x + kRounder;
  Longs integer = (Longs)rounded - 0x4338000000000000;
  Doubles distance = (Doubles)((Longs)(x - (rounded - kRounder)) & 0x7fffffffffffffff);
  Longs mask = distance < limit;
  memcpy(noise, &integer, sizeof integer);
  memcpy(decided, &mask, sizeof mask);
  return mask;
}

// Two elements for each of kLanes blocks from words (u low, u high, v low, v high), each an array
// over the blocks.
inline Longs pairs(const uint32_t (*words)[kSuperblockBlocks], int lane, double sigma,
                   int64_t* noise, int64_t* decided) {
  Bits u_low = widen(words[0] + lane), u_high = widen(words[1] + lane);
  Bits v_low = widen(words[2] + lane), v_high = widen(words[3] + lane);
  Longs near_one = (Longs)u_high >= 0xB504F000;
  Bits flip = (Bits)near_one & 0xffffffff;
  Doubles d = high_part(u_high ^ flip, 0x1p84) + low_part(u_low ^ flip);
  Doubles radius = sigma * square_root(2.0 * negative_log(d, near_one));
  Doubles inverse = (Doubles)(0x7fe0000000000000 - ((Longs)d & 0x7ff0000000000000));
  Doubles half = radius * 0x1p-49 + (sigma * (0x1p-52 + 0.75 * inverse) + 0x1p-52);
  Doubles limit = select(d >= 0x1p20, 0.5 - half, splat(-1.0));

  Bits turned = (v_high + 0x20000000) & 0xffffffff;
  Bits quadrant = turned >> 30;
  Doubles y = high_part(turned & 0x3fffffff, 0x1p84 + 0x1p61) + low_part(v_low);
  y = y * 0x1.921fb54442d18p-62;
  Doubles z = y * y;
  Doubles s = sine(y, z), c = cosine(z);
  Longs odd = -(Longs)(quadrant & 1);
  Longs first =
      round_product(radius, select(odd, s, c), ((quadrant + 1) & 2) << 62, limit, noise, decided);
  Longs second = round_product(radius, select(odd, c, s), (quadrant & 2) << 62, limit,
                               noise + kSuperblockBlocks, decided + kSuperblockBlocks);
  return first & second;
}

// All 128 elements; false if some rounding is undecided.
bool make_superblock(const uint32_t* key, int64_t number, uint64_t step, double sigma,
                     Superblock* out) {
  alignas(64) uint32_t words[16][kSuperblockBlocks];
  for (int block = 0; block < kSuperblockBlocks; block += kBlocks)
    chacha20_blocks(key, static_cast<uint32_t>(number * kSuperblockBlocks + block), kNoisePurpose,
                    step, reinterpret_cast<Words*>(&words[0][block]), kSuperblockBlocks / kBlocks);
  Longs all = ~Longs{};
  for (int pair = 0; pair < 4; pair++)
    for (int lane = 0; lane < kSuperblockBlocks; lane += kLanes) {
      int at = 2 * kSuperblockBlocks * pair + lane;
      all &= pairs(words + 4 * pair, lane, sigma, out->noise + at, out->decided + at);
    }
  bool complete = true;
  for (int i = 0; i < kLanes; i++) complete &= all[i] != 0;
  return complete;
}

struct Range {
  int64_t first, end;  // elements
};

// Adds sign times the decided integers of one superblock to the part of sums that it covers, modulo
// 2^64 or 2^32.
template <typename Unsigned>
void add_superblock(const Superblock& block, int64_t base, Range range, uint64_t sign,
                    Unsigned* sums) {
  int64_t from = base < range.first ? range.first : base;
  int64_t to = base + kSuperblock > range.end ? range.end : base + kSuperblock;
  for (int64_t e = from; e < to; e++) {
    uint64_t z = static_cast<uint64_t>(block.noise[e - base] & block.decided[e - base]);
    sums[e - range.first] += static_cast<Unsigned>(sign * z);
  }
}

// Undecided elements of one superblock; false if the list would overflow.
bool list_undecided(const Superblock& block, int64_t base, Range range, int64_t* redo,
                    int64_t capacity, int64_t* count) {
  for (int64_t e = base; e < base + kSuperblock; e++) {
    if (e < range.first || e >= range.end || block.decided[e - base]) continue;
    if (*count == capacity) return false;
    redo[(*count)++] = e;
  }
  return true;
}

// The whole range; false, with nothing added, if the list would overflow.
//
// Its stack and its registers hold the key, ChaCha20's state, its words and the integers. It is a
// function of its own so that wipe_stack(), which starts where it started, covers all of them.
template <typename Unsigned>
__attribute__((noinline, zero_call_used_regs("used"))) bool accumulate(
    Range range, const uint32_t* key, uint64_t step, double sigma_grid, Unsigned* sums,
    int64_t* redo, int64_t redo_capacity, int64_t* redo_count) {
  Superblock block;
  int64_t start = range.first - range.first % kSuperblock;
  *redo_count = 0;
  int64_t base = start;
  for (; base < range.end; base += kSuperblock) {
    bool complete = make_superblock(key, base / kSuperblock, step, sigma_grid, &block);
    if (!complete && !list_undecided(block, base, range, redo, redo_capacity, redo_count)) break;
    add_superblock(block, base, range, 1, sums);
  }
  bool overflow = base < range.end;
  if (overflow) {
    for (int64_t done = start; done < base; done += kSuperblock) {
      make_superblock(key, done / kSuperblock, step, sigma_grid, &block);
      add_superblock(block, done, range, ~uint64_t{0}, sums);
    }
    *redo_count = 0;
  }
  return !overflow;
}

// Overwrites the stack below the caller's frame. The frames of accumulate() take less than 8 KB;
// the rest is for the registers that a signal or the first call of a library function saves there.
__attribute__((noinline)) void wipe_stack() {
  char dead[32768];
  memset(dead, 0, sizeof dead);
  __asm__ volatile("" : : "r"(dead) : "memory");
}

}  // namespace

// sums[i] += noise of element first_element + i of the step, wrapping. Elements whose rounding
// needs more random bits are left alone and listed, by element number, in redo. If the list is too
// small nothing is added. No random words stay on the stack.
int noise_accumulate(void* sums, int32_t sums_type, int64_t count, int64_t first_element,
                     const uint32_t* key, uint64_t step, double sigma_grid, int64_t* redo,
                     int64_t redo_capacity, int64_t* redo_count) {
  PALIMPSEST_REQUIRE(sums != nullptr && key != nullptr && redo_count != nullptr);
  PALIMPSEST_REQUIRE(redo != nullptr && redo_capacity >= 0);
  PALIMPSEST_REQUIRE(count >= 0 && count <= kMaxElements);
  PALIMPSEST_REQUIRE(first_element >= 0 && first_element <= kMaxElements - count);
  PALIMPSEST_REQUIRE(sigma_grid >= 0x1p-32 && sigma_grid <= 0x1p32);
  PALIMPSEST_REQUIRE(sums_type == PALIMPSEST_I64 || sums_type == PALIMPSEST_I32);
  Range range{first_element, first_element + count};
  bool done = sums_type == PALIMPSEST_I64
                  ? accumulate(range, key, step, sigma_grid, static_cast<uint64_t*>(sums), redo,
                               redo_capacity, redo_count)
                  : accumulate(range, key, step, sigma_grid, static_cast<uint32_t*>(sums), redo,
                               redo_capacity, redo_count);
  wipe_stack();
  return done ? PALIMPSEST_OK
              : fail(PALIMPSEST_WORKSPACE, "more undecided elements than redo can hold");
}

PALIMPSEST_END
