package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.Sample.Settings;
import palimpsest.engine.tensor.Tensor;

class SampleTest {
  private static final Settings PLAIN = new Settings(1, 0, 1, 0);

  /** One below a vector, one above, several blocks, a real vocabulary. */
  private static final int[] VOCABULARIES = {1, 2, 15, 17, 64, 1000, 5003, 49152};

  /** Relative distance from a limit within which rounding may decide either way. */
  private static final double ROUNDING = 1e-5;

  private static int[] draw(
      Kernels kernels, Tensor logits, Tensor generic, Settings settings, double... uniforms) {
    int[] tokens = new int[uniforms.length];
    Arrays.fill(tokens, -1);
    kernels.sample().forward(logits, generic, settings, uniforms, tokens);
    return tokens;
  }

  private static Tensor row(Fixture fixture, double... values) {
    Tensor row = fixture.wide(1, values.length);
    for (int i = 0; i < values.length; i++) {
      row.set(i, values[i]);
    }
    return row;
  }

  /** The row of natural logarithms of {@code p}, which are then the probabilities. */
  private static Tensor logs(Fixture fixture, double... p) {
    return row(fixture, Arrays.stream(p).map(Math::log).toArray());
  }

  /** {@code count} copies of a row. */
  private static Tensor copies(Fixture fixture, Tensor row, int count) {
    Tensor copies = fixture.wide(count, row.cols());
    for (int n = 0; n < count; n++) {
      copies.rows(n, 1).copyFrom(row);
    }
    return copies;
  }

  /** How often each token comes when the uniforms are {@code count} equal steps through [0, 1). */
  private static int[] histogram(
      Kernels kernels, Fixture fixture, Tensor row, Tensor generic, Settings settings, int count) {
    Tensor logits = copies(fixture, row, count);
    Tensor generics = generic == null ? null : copies(fixture, generic, count);
    double[] uniforms = IntStream.range(0, count).mapToDouble(i -> (i + 0.5) / count).toArray();
    int[] times = new int[(int) row.cols()];
    for (int token : draw(kernels, logits, generics, settings, uniforms)) {
      times[token]++;
    }
    return times;
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void temperatureZeroTakesTheFirstOfTheLargest(Kernels kernels) {
    Settings greedy = new Settings(0, 0, 1, 0);
    for (int vocabulary : VOCABULARIES) {
      try (Fixture fixture = new Fixture(kernels, vocabulary)) {
        Tensor logits = fixture.wide(1, vocabulary);
        int first = fixture.random().nextInt(vocabulary);
        logits.set(0, vocabulary - 1, 9);
        logits.set(0, first, 9);
        assertArrayEquals(new int[] {first}, draw(kernels, logits, null, greedy, 0.9));
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void everyTokenComesAsOftenAsItIsProbable(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 1)) {
      double[] p = {0.1, 0.35, 0.05, 0.2, 0.25, 0.05};
      int count = 2000;
      int[] times = histogram(kernels, fixture, logs(fixture, p), null, PLAIN, count);
      for (int i = 0; i < p.length; i++) {
        assertEquals(p[i] * count, times[i], 1, "token " + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void temperatureIsAPower(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 2)) {
      double[] p = {0.5, 0.3, 0.2};
      int count = 2000;
      Settings half = new Settings(0.5, 0, 1, 0);
      int[] times = histogram(kernels, fixture, logs(fixture, p), null, half, count);
      double total = Arrays.stream(p).map(x -> x * x).sum();
      for (int i = 0; i < p.length; i++) {
        assertEquals(p[i] * p[i] / total * count, times[i], 1, "token " + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void onlyTheNucleusAndTheLikeliestAreDrawn(Kernels kernels) {
    double[] p = {0.02, 0.4, 0.03, 0.25, 0.2, 0.1};
    assertKept(kernels, new Settings(1, 0, 0.39, 0), p, 1);
    assertKept(kernels, new Settings(1, 0, 0.41, 0), p, 1, 3);
    assertKept(kernels, new Settings(1, 0, 0.84, 0), p, 1, 3, 4);
    assertKept(kernels, new Settings(1, 0, 0.96, 0), p, 1, 2, 3, 4, 5);
    assertKept(kernels, new Settings(1, 1, 1, 0), p, 1);
    assertKept(kernels, new Settings(1, 4, 1, 0), p, 1, 3, 4, 5);
    assertKept(kernels, new Settings(1, 2, 0.84, 0), p, 1, 3);
    assertKept(kernels, new Settings(1, 5, 0.41, 0), p, 1, 3);
    assertKept(kernels, new Settings(1, 99, 1, 0), p, 0, 1, 2, 3, 4, 5);
    assertKept(kernels, new Settings(1, 2, 1, 0), new double[] {0.2, 0.2, 0.4, 0.2}, 0, 1, 2, 3);
  }

  private static void assertKept(Kernels kernels, Settings settings, double[] p, int... kept) {
    try (Fixture fixture = new Fixture(kernels, 3)) {
      int count = 1000;
      int[] times = histogram(kernels, fixture, logs(fixture, p), null, settings, count);
      double total = Arrays.stream(kept).mapToDouble(i -> p[i]).sum();
      for (int i = 0; i < p.length; i++) {
        int token = i;
        boolean in = Arrays.stream(kept).anyMatch(k -> k == token);
        assertEquals(in ? p[i] / total * count : 0, times[i], in ? 1 : 0, settings + ", " + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void guidanceSharpensInsideTheNucleusOnly(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 4)) {
      double[] p = {0.4, 0.3, 0.2, 0.1};
      // The last token is what guidance would like best, but it is outside the nucleus.
      double[] generic = {0.7, 0.1, 0.19, 0.01};
      Settings guided = new Settings(1, 0, 0.85, 1.5);
      int count = 2000;
      int[] times =
          histogram(kernels, fixture, logs(fixture, p), logs(fixture, generic), guided, count);
      double[] expected = new double[4];
      for (int i = 0; i < 3; i++) {
        expected[i] = Math.pow(p[i], 2.5) / Math.pow(generic[i], 1.5);
      }
      double total = Arrays.stream(expected).sum();
      for (int i = 0; i < 4; i++) {
        assertEquals(expected[i] / total * count, times[i], i < 3 ? 1 : 0, "token " + i);
      }
    }
  }

  private static final List<Settings> SETTINGS =
      List.of(
          PLAIN,
          new Settings(0.7, 0, 1, 0),
          new Settings(1, 0, 0.95, 0),
          new Settings(0.8, 0, 0.5, 0),
          new Settings(3, 0, 0.999, 0),
          new Settings(1, 40, 1, 0),
          new Settings(1.3, 7, 0.9, 0),
          new Settings(1, 20000, 0.99, 0),
          new Settings(1, 0, 0.9, 1),
          new Settings(0.9, 50, 1, 0.5),
          new Settings(1, 0, 1, 0.25));

  /** Float64 and a sort decide which tokens may come; rounding may decide at the limits only. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isTheTokenOfTheFloat64Sampler(Kernels kernels) {
    for (int vocabulary : VOCABULARIES) {
      boolean large = vocabulary > 10000;
      int rows = large ? 1 : 4;
      for (double spread : large ? new double[] {3} : new double[] {0.5, 3, 12}) {
        try (Fixture fixture = new Fixture(kernels, vocabulary)) {
          Tensor logits = spread(fixture.wide(rows, vocabulary), spread);
          Tensor generic = spread(fixture.wide(rows, vocabulary), spread);
          double[] uniforms = fixture.random().doubles(rows).toArray();
          for (Settings settings : SETTINGS) {
            Tensor other = settings.guidance() > 0 ? generic : null;
            int[] tokens = draw(kernels, logits, other, settings, uniforms);
            for (int n = 0; n < rows; n++) {
              double[] p = probabilities(logits, other, settings, n);
              String what = settings + ", " + vocabulary + " tokens, spread " + spread;
              assertDrawn(what, p, uniforms[n], tokens[n]);
            }
          }
        }
      }
    }
  }

  private static Tensor spread(Tensor tensor, double spread) {
    for (long i = 0; i < tensor.size(); i++) {
      tensor.set(i, spread * tensor.get(i));
    }
    return tensor;
  }

  /** The probabilities from which row n is drawn: 0 outside the nucleus. */
  private static double[] probabilities(Tensor logits, Tensor generic, Settings s, int n) {
    int vocabulary = (int) logits.cols();
    double[] x =
        IntStream.range(0, vocabulary)
            .mapToDouble(i -> logits.get(n, i) / s.temperature())
            .toArray();
    double[] p = softmax(x, new boolean[vocabulary]);
    int[] order =
        IntStream.range(0, vocabulary)
            .boxed()
            .sorted((a, b) -> Double.compare(p[b], p[a]))
            .mapToInt(Integer::intValue)
            .toArray();
    boolean[] left = new boolean[vocabulary];
    double sum = 0;
    for (int i = 0; i < vocabulary; i++) {
      left[order[i]] = sum >= s.topP() && s.topP() < 1 || s.topK() > 0 && i >= s.topK();
      sum += p[order[i]];
    }
    if (generic != null) {
      double w = s.guidance();
      Arrays.setAll(x, i -> (1 + w) * x[i] - w * generic.get(n, i) / s.temperature());
    }
    return softmax(x, left);
  }

  private static double[] softmax(double[] x, boolean[] left) {
    double top =
        IntStream.range(0, x.length)
            .filter(i -> !left[i])
            .mapToDouble(i -> x[i])
            .max()
            .orElseThrow();
    double[] p = new double[x.length];
    Arrays.setAll(p, i -> left[i] ? 0 : Math.exp(x[i] - top));
    double total = Arrays.stream(p).sum();
    return Arrays.stream(p).map(v -> v / total).toArray();
  }

  private static void assertDrawn(String what, double[] p, double uniform, int token) {
    assertTrue(token >= 0 && token < p.length, what);
    double before = 0;
    for (int i = 0; i < token; i++) {
      before += p[i];
    }
    assertTrue(p[token] > 0, () -> what + ": token " + token + " is not in the nucleus");
    assertTrue(
        before <= uniform + ROUNDING && uniform < before + p[token] + ROUNDING,
        () -> what + ": token " + token + " does not hold " + uniform);
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void extremesStayInTheNucleus(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 8)) {
      Tensor flat = fixture.wide(1, 5003).fill(-2);
      double last = Math.nextDown(1.0);
      for (Settings settings : List.of(PLAIN, new Settings(1, 0, 0.9, 0))) {
        assertArrayEquals(new int[] {0}, draw(kernels, flat, null, settings, 0));
        assertArrayEquals(new int[] {5002}, draw(kernels, flat, null, settings, last));
      }
      Tensor sure = fixture.wide(1, 100).fill(-1e30);
      sure.set(0, 37, 1e30);
      for (double uniform : new double[] {0, 0.5, last}) {
        for (double temperature : new double[] {1e-30, 1, 100}) {
          Settings settings = new Settings(temperature, 0, 1, 0);
          assertArrayEquals(new int[] {37}, draw(kernels, sure, null, settings, uniform));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aRowIsDrawnAsIfItWereAlone(Kernels kernels) {
    int rows = 9;
    try (Fixture fixture = new Fixture(kernels, 9, true)) {
      Tensor logits = fixture.wide(rows, 1000);
      Tensor generic = fixture.wide(rows, 1000);
      double[] uniforms = new Random(9).doubles(rows).toArray();
      for (Settings settings : SETTINGS) {
        int[] together = draw(kernels, logits, generic, settings, uniforms);
        for (int n = 0; n < rows; n++) {
          int[] alone = draw(kernels, logits.rows(n, 1), generic.rows(n, 1), settings, uniforms[n]);
          assertEquals(alone[0], together[n], settings + ", row " + n);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void rowsThatAreNotFiniteAreRefused(Kernels kernels) {
    double[] bad = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};
    for (int vocabulary : new int[] {1, 17, 64, 1000}) {
      for (double value : bad) {
        for (double temperature : new double[] {0, 1}) {
          try (Fixture fixture = new Fixture(kernels, vocabulary)) {
            Tensor logits = fixture.wide(2, vocabulary);
            logits.set(1, fixture.random().nextInt(vocabulary), value);
            Settings settings = new Settings(temperature, 0, 0.9, 0);
            assertThrows(
                IllegalArgumentException.class,
                () -> draw(kernels, logits, null, settings, 0.5, 0.5));
          }
        }
      }
    }
  }
}
