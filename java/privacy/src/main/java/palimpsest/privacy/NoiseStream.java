package palimpsest.privacy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Rounded Gaussian integers Z = floor(sigma N + 1/2), one for every (step, element), N standard
 * normal.
 *
 * <p>Z is exactly the rounding of a real Gaussian variate: U and V are infinite bit strings that
 * are read as far as the rounding needs them (Box and Muller 1958: N = sqrt(-2 ln U) cos 2 pi V for
 * one element of a pair, sin for the other). The first 64 bits of each decide all but about one
 * element in a million; the rest goes to {@link ExactGaussian}. Since x + floor(sigma N + 1/2) =
 * floor(x + sigma N + 1/2) for an integer x, an integer sum with this noise is a post-processing of
 * the continuous Gaussian mechanism.
 *
 * <p>The fast path is a fixed sequence of IEEE 754 double additions, subtractions, multiplications,
 * divisions and square roots, without fused multiply-adds and without library functions, so that
 * every language, instruction set and device gives the same integers. Its error bound is proved in
 * docs/noise.md, next to which the constants below are to be read.
 *
 * <p>Element e belongs to superblock e / 128 of sixteen ChaCha20 blocks. With i = e mod 128, it
 * uses block 16 (e / 128) + i mod 16, pair i / 32 of that block (words 4p, 4p+1 are U, words 4p+2,
 * 4p+3 are V, low word first), and is the cosine if i / 16 is even, else the sine. This order lets
 * sixteen vector lanes, or sixteen GPU threads, write neighbouring elements.
 *
 * <p>Arrays of random words and of noise are overwritten after use. That is all Java can do: the
 * virtual machine may have copied them, and the slow path's numbers are immutable.
 *
 * <p>Immutable and safe for use by several threads; the key must stay open.
 */
public final class NoiseStream {
  /** Elements a step can have: 2^32 blocks of eight. */
  public static final long MAX_ELEMENTS = 1L << 35;

  /** Largest standard deviation in grid steps. */
  public static final double MAX_SIGMA = 0x1p32;

  /** Smallest standard deviation in grid steps. */
  public static final double MIN_SIGMA = 0x1p-32;

  static final int SUPERBLOCK = 128;
  private static final int LANES = 16;
  private static final int PAIRS = 4;

  /** High word from which U is close enough to 1 that ln U is taken from 1 - U. */
  private static final int NEAR_ONE = 0xB504F000;

  /**
   * Bits of the double 0x1.6a09ep-1, just under sqrt(1/2): reduces an argument to [sqrt(1/2), sqrt
   * 2).
   */
  private static final long SQRT_HALF_BITS = 0x3fe6a09e00000000L;

  private static final long EXPONENT_MASK = 0x7ff0000000000000L;
  private static final long TWICE_BIAS = 0x7fe0000000000000L;
  private static final double LN2_HIGH = 0x1.62e42fee00000p-1;
  private static final double LN2_LOW = 0x1.a39ef35793c76p-33;
  private static final double QUARTER_TURN = 0x1.921fb54442d18p-62;

  /**
   * Adding this rounds a double below 2^51 in magnitude to the nearest integer, which then stands
   * in the low bits.
   */
  private static final double ROUNDER = 0x1.8p52;

  private static final long ROUNDER_BITS = 0x4338000000000000L;

  private final SecretKey key;
  private final Purpose purpose;
  private final double widening;

  /** The noise of the gradient sum. */
  public NoiseStream(SecretKey key) {
    this(key, Purpose.NOISE);
  }

  /** Noise for another purpose, such as a label histogram. */
  public NoiseStream(SecretKey key, Purpose purpose) {
    this(key, purpose, 1);
  }

  /**
   * For tests: a stream whose error band is {@code widening} times as wide, so that more elements
   * take the slow path. The integers must not change.
   */
  NoiseStream(SecretKey key, Purpose purpose, double widening) {
    if (!(widening >= 1)) {
      throw new IllegalArgumentException("NoiseStream: the error band can only be widened");
    }
    this.key = key;
    this.purpose = purpose;
    this.widening = widening;
  }

  /**
   * Adds the noise of elements [firstElement, firstElement + sums.length) of a step, wrapping
   * modulo 2^64. The result does not depend on how a range is split over calls.
   *
   * @param sums integer sums on the grid
   * @param firstElement number of the first element, the same for every shard of the tensor list
   * @param step the step; a (key, step) may be used for one release only
   * @param sigmaGrid standard deviation in grid steps, 2^-32 to 2^32
   * @throws IllegalArgumentException if the range or sigmaGrid is outside its bounds
   */
  public void addTo(long[] sums, long firstElement, long step, double sigmaGrid) {
    addTo(MemorySegment.ofArray(sums), firstElement, step, sigmaGrid);
  }

  /** The same for a segment of 64-bit integers, on or off the heap. */
  public void addTo(MemorySegment sums, long firstElement, long step, double sigmaGrid) {
    long count = sums.byteSize() / Long.BYTES;
    requireArguments(count, firstElement, sigmaGrid);
    int[] words = new int[LANES * ChaCha20.BLOCK_WORDS];
    long[] noise = new long[SUPERBLOCK];
    boolean[] decided = new boolean[SUPERBLOCK];
    long end = firstElement + count;
    try {
      for (long base = firstElement - firstElement % SUPERBLOCK; base < end; base += SUPERBLOCK) {
        superblock(base / SUPERBLOCK, step, sigmaGrid, words, noise, decided);
        long from = Math.max(base, firstElement);
        long to = Math.min(base + SUPERBLOCK, end);
        for (long e = from; e < to; e++) {
          int i = (int) (e - base);
          long z = decided[i] ? noise[i] : exact(e, step, sigmaGrid);
          long at = (e - firstElement) * Long.BYTES;
          sums.set(
              ValueLayout.JAVA_LONG_UNALIGNED,
              at,
              sums.get(ValueLayout.JAVA_LONG_UNALIGNED, at) + z);
        }
      }
    } finally {
      Arrays.fill(words, 0);
      Arrays.fill(noise, 0);
    }
  }

  /**
   * The noise of one element by the slow path alone, from as many bits as its rounding needs. The
   * native kernel leaves such elements to its caller.
   */
  public long exact(long element, long step, double sigmaGrid) {
    requireArguments(1, element, sigmaGrid);
    int i = (int) (element % SUPERBLOCK);
    int block = (int) (element / SUPERBLOCK * LANES + i % LANES);
    int word = PAIRS * (i / (2 * LANES));
    boolean sine = (i / LANES & 1) == 1;
    ExactGaussian.Bits bits = level -> bits(level, step, block, word);
    return ExactGaussian.round(bits, sine, sigmaGrid);
  }

  /**
   * Bits 64 level .. 64 level + 63 of U and V. Level 0 is what the fast path sees; deeper levels
   * come from the slow-path purpose, at the same block and words, with the level and the owner's
   * purpose in the upper bytes of nonce word 0.
   */
  private long[] bits(int level, long step, int block, int word) {
    int purposeWord =
        level == 0 ? purpose.word() : Purpose.SLOW_PATH.word() | level << 8 | purpose.word() << 24;
    int[] words = new int[ChaCha20.BLOCK_WORDS];
    try {
      ChaCha20.blocks(key, purposeWord, step, block, 1, words);
      long u = Integer.toUnsignedLong(words[word]) | (long) words[word + 1] << 32;
      long v = Integer.toUnsignedLong(words[word + 2]) | (long) words[word + 3] << 32;
      return new long[] {u, v};
    } finally {
      Arrays.fill(words, 0);
    }
  }

  private static void requireArguments(long count, long firstElement, double sigmaGrid) {
    if (firstElement < 0 || firstElement > MAX_ELEMENTS - count) {
      throw new IllegalArgumentException("NoiseStream: a step has at most 2^35 elements");
    }
    if (!(sigmaGrid >= MIN_SIGMA && sigmaGrid <= MAX_SIGMA)) {
      throw new IllegalArgumentException(
          "NoiseStream: the standard deviation must be 2^-32 to 2^32 grid steps");
    }
  }

  private void superblock(
      long number, long step, double sigma, int[] words, long[] noise, boolean[] decided) {
    ChaCha20.blocks(key, purpose.word(), step, (int) (number * LANES), LANES, words);
    double[] pair = new double[3];
    for (int lane = 0; lane < LANES; lane++) {
      for (int p = 0; p < PAIRS; p++) {
        int at = 2 * LANES * p + lane;
        gaussianPair(words, lane * ChaCha20.BLOCK_WORDS + PAIRS * p, sigma, pair);
        double limit = 0.5 - widening * pair[2];
        round(pair[0], limit, noise, decided, at);
        round(pair[1], limit, noise, decided, at + LANES);
      }
    }
    Arrays.fill(pair, 0);
  }

  /** The nearest integer, and whether it is certain: x is at most {@code limit} from it. */
  private static void round(double x, double limit, long[] noise, boolean[] decided, int at) {
    double rounded = x + ROUNDER;
    noise[at] = Double.doubleToRawLongBits(rounded) - ROUNDER_BITS;
    decided[at] = Math.abs(x - (rounded - ROUNDER)) < limit;
  }

  /**
   * Sigma times the cosine variate and sigma times the sine variate of four words, and a bound of
   * the error of both, which is infinite where none is proved.
   *
   * @param out receives the two values and the bound
   */
  static void gaussianPair(int[] words, int word, double sigma, double[] out) {
    double d = distanceFromNearestEnd(words[word], words[word + 1]);
    boolean nearOne = Integer.compareUnsigned(words[word + 1], NEAR_ONE) >= 0;
    double radius = sigma * Math.sqrt(2 * negativeLog(d, nearOne));
    double inverse =
        Double.longBitsToDouble(TWICE_BIAS - (Double.doubleToRawLongBits(d) & EXPONENT_MASK));
    double error = radius * 0x1p-49 + (sigma * (0x1p-52 + 0.75 * inverse) + 0x1p-52);
    int turned = words[word + 3] + 0x20000000;
    int quadrant = turned >>> 30;
    double y =
        ((turned & 0x3fffffff) - 0x20000000) * 0x1p32 + ((words[word + 2] & 0xffffffffL) + 0.5);
    y *= QUARTER_TURN;
    double z = y * y;
    double sine = sine(y, z);
    double cosine = cosine(z);
    boolean odd = (quadrant & 1) != 0;
    double first = odd ? sine : cosine;
    double second = odd ? cosine : sine;
    out[0] = radius * ((quadrant + 1 & 2) != 0 ? -first : first);
    out[1] = radius * ((quadrant & 2) != 0 ? -second : second);
    out[2] = d >= 0x1p20 ? error : Double.POSITIVE_INFINITY;
  }

  /** 2^64 U, or 2^64 (1 - U) near one, at the middle of the unseen bits and rounded once. */
  private static double distanceFromNearestEnd(int low, int high) {
    int mask = Integer.compareUnsigned(high, NEAR_ONE) >= 0 ? -1 : 0;
    return ((high ^ mask) & 0xffffffffL) * 0x1p32 + (((low ^ mask) & 0xffffffffL) + 0.5);
  }

  /** -ln(d / 2^64), or -ln(1 - d / 2^64). */
  private static double negativeLog(double d, boolean nearOne) {
    long offset = Double.doubleToRawLongBits(d) - SQRT_HALF_BITS;
    long exponent = nearOne ? 64 : offset >> 52;
    double reduced = Double.longBitsToDouble((offset & 0x000fffffffffffffL) + SQRT_HALF_BITS) - 1;
    double f = nearOne ? -(d * 0x1p-64) : reduced;
    double k = (double) (64 - exponent);
    double s = f / (2 + f);
    double z = s * s;
    double r = 0x1.8618618618618p-4;
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
    double halfSquare = 0.5 * f * f;
    double logarithm = f - (halfSquare - s * (halfSquare + r));
    return k * LN2_HIGH + (k * LN2_LOW - logarithm);
  }

  /** Taylor polynomial of degree 17; z = y y, |y| <= pi/4. */
  private static double sine(double y, double z) {
    double r = 0x1.952c77030ad4ap-49;
    r = r * z - 0x1.ae7f3e733b81fp-41;
    r = r * z + 0x1.6124613a86d09p-33;
    r = r * z - 0x1.ae64567f544e4p-26;
    r = r * z + 0x1.71de3a556c734p-19;
    r = r * z - 0x1.a01a01a01a01ap-13;
    r = r * z + 0x1.1111111111111p-7;
    r = r * z - 0x1.5555555555555p-3;
    return y + y * (z * r);
  }

  /** Taylor polynomial of degree 16; z = y y, |y| <= pi/4. */
  private static double cosine(double z) {
    double r = 0x1.ae7f3e733b81fp-45;
    r = r * z - 0x1.93974a8c07c9dp-37;
    r = r * z + 0x1.1eed8eff8d898p-29;
    r = r * z - 0x1.27e4fb7789f5cp-22;
    r = r * z + 0x1.a01a01a01a01ap-16;
    r = r * z - 0x1.6c16c16c16c17p-10;
    r = r * z + 0x1.5555555555555p-5;
    r = r * z - 0.5;
    return 1 + z * r;
  }
}
