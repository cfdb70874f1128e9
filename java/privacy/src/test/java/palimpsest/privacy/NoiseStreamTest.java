package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.testing.FullTests;

class NoiseStreamTest {
  private final SecretKey key = SecretKey.insecureDeterministic(20);

  private long[] draw(int count, long first, long step, double sigma) {
    long[] noise = new long[count];
    new NoiseStream(key).addTo(noise, first, step, sigma);
    return noise;
  }

  @ParameterizedTest
  @ValueSource(doubles = {0x1p-32, 0.3, 1, 47.25, 1e6, 0x1.8p26, 0x1p32})
  void agreesWithTheDecimalOracle(double sigma) {
    int count = (int) FullTests.size(100_000 / 7, 10_000_000 / 7);
    long first = 12_345_678_901L;
    long[] noise = draw(count, first, 5, sigma);
    IntStream.range(0, count)
        .parallel()
        .forEach(i -> {
          long expected = GaussianOracle.rounded(key, Purpose.NOISE, first + i, 5, sigma);
          assertEquals(expected, noise[i], "element " + i + " at sigma " + sigma);
        });
  }

  /**
   * The error that docs/noise.md proves is never passed, on random words and on words at the ends
   * of every range.
   */
  @Test
  void errorOfTheFastPathIsWithinItsBound() {
    Random random = new Random(3);
    int[] edges = {0, 1, -1, 0xB504EFFF, 0xB504F000, 0x1fffffff, 0x20000000, 0x5fffffff, 1 << 20};
    double worst = 0;
    double sigma = 0x1p22;
    int count = (int) FullTests.size(4000, 400_000);
    for (int trial = 0; trial < count; trial++) {
      int[] words = {random.nextInt(), random.nextInt(), random.nextInt(), random.nextInt()};
      if (trial % 4 == 1) {
        words[random.nextInt(4)] = edges[random.nextInt(edges.length)];
      } else if (trial % 4 == 2) {
        words[1] >>= random.nextInt(32);
      }
      double[] pair = new double[3];
      NoiseStream.gaussianPair(words, 0, sigma, pair);
      for (boolean sine : new boolean[] {false, true}) {
        for (boolean end : new boolean[] {false, true}) {
          double exact = GaussianOracle.distance(words, end, sine, sigma, pair[sine ? 1 : 0]);
          worst = Math.max(worst, exact / pair[2]);
        }
      }
    }
    assertTrue(worst < 1, "error over its bound: " + worst);
    assertTrue(worst > 0.05, "the bound is needlessly wide: " + worst);
  }

  /** The integers that the native kernel is checked against: same file, same key. */
  @Test
  void goldenIntegersAreThoseOfTheNativeTest() throws IOException {
    Path file =
        Path.of(System.getProperty("palimpsest.root", "../.."), "native/test/noise_golden.inc");
    byte[] bytes = new byte[32];
    for (int i = 0; i < 32; i++) {
      bytes[i] = (byte) i;
    }
    String[] cases = Files.readString(file).replaceAll("//.*", "").split("\\}\\},");
    int seen = 0;
    try (SecretKey counting = SecretKey.insecureOf(bytes)) {
      for (String text : cases) {
        String[] f = text.replaceAll("[{}u\\s]+", " ").strip().split("[ ,]+");
        if (f.length >= 13) {
          checkGoldenCase(new NoiseStream(counting), f);
          seen++;
        }
      }
    }
    assertEquals(6, seen);
  }

  /**
   * Fields: step, first element, count, sigma, eight integers, checksum, then pairs of undecided
   * element and integer.
   */
  private static void checkGoldenCase(NoiseStream stream, String[] f) {
    long step = Long.parseUnsignedLong(f[0]);
    long first = Long.parseLong(f[1]);
    double sigma = Double.parseDouble(f[3]);
    long[] noise = new long[Integer.parseInt(f[2])];
    stream.addTo(noise, first, step, sigma);
    for (int i = 0; i < 8; i++) {
      assertEquals(Long.parseLong(f[4 + i]), noise[i]);
    }
    long checksum = 0;
    for (int i = 0; i < noise.length; i++) {
      checksum += (2L * i + 1) * noise[i];
    }
    assertEquals(Long.parseUnsignedLong(f[12]), checksum);
    for (int i = 13; i < f.length; i += 2) {
      long element = Long.parseLong(f[i]);
      assertEquals(Long.parseLong(f[i + 1]), stream.exact(element, step, sigma));
      assertEquals(Long.parseLong(f[i + 1]), noise[(int) (element - first)]);
    }
  }

  @Test
  void slowPathGivesTheSameIntegers() {
    double sigma = 0x1.cp20;
    long[] fast = draw(4096, 77, 3, sigma);
    long[] slow = new long[4096];
    for (int i = 0; i < slow.length; i++) {
      slow[i] = new NoiseStream(key).exact(77 + i, 3, sigma);
    }
    assertArrayEquals(fast, slow);
    for (double widening : new double[] {0x1p25, 0x1p27, 1e300}) {
      long[] widened = new long[4096];
      new NoiseStream(key, Purpose.NOISE, widening).addTo(widened, 77, 3, sigma);
      assertArrayEquals(fast, widened, "band widened by " + widening);
    }
  }

  @Test
  void bandCannotBeNarrowed() {
    assertThrows(IllegalArgumentException.class, () -> new NoiseStream(key, Purpose.NOISE, 0.5));
  }

  @Test
  @Tag("R29")
  void anySplitOfTheRangeGivesTheSameIntegers() {
    long[] whole = draw(1000, 0, 9, 1234.5);
    Random random = new Random(1);
    for (int trial = 0; trial < 50; trial++) {
      long[] pieces = new long[1000];
      for (int from = 0; from < 1000; ) {
        int length = Math.min(1 + random.nextInt(300), 1000 - from);
        System.arraycopy(draw(length, from, 9, 1234.5), 0, pieces, from, length);
        from += length;
      }
      assertArrayEquals(whole, pieces);
    }
  }

  @Test
  void addsToWhatIsThereAndWraps() {
    long[] noise = draw(300, 0, 0, 1e5);
    long[] sums = new long[300];
    Arrays.fill(sums, Long.MAX_VALUE);
    new NoiseStream(key).addTo(sums, 0, 0, 1e5);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocate(300 * 8L);
      new NoiseStream(key).addTo(segment, 0, 0, 1e5);
      for (int i = 0; i < 300; i++) {
        assertEquals(Long.MAX_VALUE + noise[i], sums[i]);
        assertEquals(noise[i], segment.getAtIndex(ValueLayout.JAVA_LONG, i));
      }
    }
  }

  @Test
  @Tag("R08")
  void chiSquareOfTheRoundedDistribution() {
    double sigma = 8;
    int count = (int) FullTests.size(1_000_000, 100_000_000);
    int bins = 81;
    long[] observed = new long[bins];
    int chunk = 1 << 20;
    for (int from = 0; from < count; from += chunk) {
      for (long z : draw(Math.min(chunk, count - from), from, 11, sigma)) {
        observed[(int) Math.max(0, Math.min(bins - 1, z + 40))]++;
      }
    }
    double statistic = 0;
    for (int b = 0; b < bins; b++) {
      double lower = b == 0 ? 0 : Normal.cdf((b - 40.5) / sigma);
      double upper = b == bins - 1 ? 1 : Normal.cdf((b - 39.5) / sigma);
      double expected = count * (upper - lower);
      statistic += (observed[b] - expected) * (observed[b] - expected) / expected;
    }
    double limit = 80 + 4.5 * Math.sqrt(2 * 80);
    assertTrue(statistic < limit, "chi-square " + statistic + " with 80 degrees of freedom");
  }

  @Test
  void kolmogorovSmirnovOfFineNoise() {
    double sigma = 0x1p26;
    int count = (int) FullTests.size(1_000_000, 100_000_000);
    // The distribution function is looked at after every 2^11 steps of the grid, 2^-15 sigma.
    int[] observed = new int[1 << 19];
    int chunk = 1 << 20;
    for (int from = 0; from < count; from += chunk) {
      for (long z : draw(Math.min(chunk, count - from), (1L << 30) + from, 12, sigma)) {
        observed[Math.clamp((z >> 11) + observed.length / 2, 0, observed.length - 1)]++;
      }
    }
    double distance = 0;
    long below = 0;
    for (int b = 0; b < observed.length - 1; b++) {
      below += observed[b];
      double edge = ((b + 1L - observed.length / 2) << 11) - 0.5;
      distance = Math.max(distance, Math.abs(Normal.cdf(edge / sigma) - (double) below / count));
    }
    assertTrue(distance * Math.sqrt(count) < 2.3, "KS statistic " + distance * Math.sqrt(count));
  }

  @Test
  void varianceIsSigmaSquared() {
    int count = 1_000_000;
    for (double sigma : new double[] {5, 1e6}) {
      double sum = 0;
      for (long z : draw(count, 0, 13, sigma)) {
        sum += (double) z * z;
      }
      double expected = sigma * sigma + 1.0 / 12;
      assertEquals(1, sum / count / expected, 5 * Math.sqrt(2.0 / count));
    }
  }

  /** R16, R38: steps, purposes, keys, pairs and lanes share no noise. */
  @Test
  @Tag("R16")
  void streamsAreUncorrelated() {
    int n = 200_000;
    double sigma = 1e6;
    long[] base = draw(n, 0, 1, sigma);
    long[] otherPurpose = new long[n];
    new NoiseStream(key, Purpose.LABEL_HISTOGRAM).addTo(otherPurpose, 0, 1, sigma);
    long[] otherKey = new long[n];
    try (SecretKey second = SecretKey.insecureDeterministic(21)) {
      new NoiseStream(second).addTo(otherKey, 0, 1, sigma);
    }
    assertUncorrelated(base, draw(n, 0, 2, sigma), "next step");
    assertUncorrelated(base, draw(n, 0, 1L << 32, sigma), "step 2^32");
    assertUncorrelated(base, draw(n, n, 1, sigma), "other elements");
    assertUncorrelated(base, draw(n, 1L << 34, 1, sigma), "far elements");
    assertUncorrelated(base, otherPurpose, "other purpose");
    assertUncorrelated(base, otherKey, "other key");
    for (int lag : new int[] {1, 2, 8, 15, 16, 17, 32, 48, 64, 96, 112, 128}) {
      assertUncorrelated(
          Arrays.copyOf(base, n - lag), Arrays.copyOfRange(base, lag, n), "lag " + lag);
    }
  }

  /**
   * Pearson correlation of the values and of their squares (a shared radius would show in the
   * squares).
   */
  private static void assertUncorrelated(long[] a, long[] b, String what) {
    double ab = 0;
    double squares = 0;
    for (int i = 0; i < a.length; i++) {
      double x = a[i] / 1e6;
      double y = b[i] / 1e6;
      ab += x * y;
      squares += (x * x - 1) * (y * y - 1) / 2;
    }
    double limit = 5 * Math.sqrt(a.length);
    assertTrue(Math.abs(ab) < limit, what + ": values are correlated");
    assertTrue(Math.abs(squares) < limit, what + ": squares are correlated");
  }

  @Test
  void lastElementIsReachedAndTheRangeIsBounded() {
    NoiseStream stream = new NoiseStream(key);
    long last = NoiseStream.MAX_ELEMENTS - 1;
    assertEquals(
        GaussianOracle.rounded(key, Purpose.NOISE, last, -1, 1e4), draw(1, last, -1, 1e4)[0]);
    assertThrows(IllegalArgumentException.class, () -> stream.addTo(new long[2], last, 0, 1));
    assertThrows(IllegalArgumentException.class, () -> stream.addTo(new long[1], -1, 0, 1));
    assertThrows(IllegalArgumentException.class, () -> stream.exact(last + 1, 0, 1));
  }

  /** R24: a standard deviation of 0, infinity or NaN never means "no noise". */
  @ParameterizedTest
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY, 0x1.1p32, 0x1p-33})
  void refusesUnusableStandardDeviations(double sigma) {
    long[] sums = new long[1];
    assertThrows(
        IllegalArgumentException.class, () -> new NoiseStream(key).addTo(sums, 0, 0, sigma));
  }

  @Test
  void aClosedKeyGivesNoNoise() {
    SecretKey closed = SecretKey.insecureDeterministic(1);
    closed.close();
    assertThrows(
        IllegalStateException.class, () -> new NoiseStream(closed).addTo(new long[1], 0, 0, 1));
  }
}
