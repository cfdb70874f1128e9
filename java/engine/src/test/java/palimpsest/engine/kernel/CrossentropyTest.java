package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static palimpsest.engine.kernel.Fixture.array;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

class CrossentropyTest {
  /** Inputs logits, targets, weights; outputs nll, lse, dLogits (over the logits if in place). */
  private static Tensor[] run(Kernels kernels, Fixture fixture, boolean inPlace, Tensor... in) {
    long rows = in[0].rows();
    long classes = in[0].cols();
    DType type = kernels.compute();
    Tensor logits = fixture.arena().allocate(kernels.wide(), rows, classes).copyFrom(in[0]);
    Tensor nll = fixture.empty(kernels.wide(), rows);
    Tensor lse = fixture.empty(kernels.wide(), rows);
    Tensor dLogits =
        inPlace
            ? Tensor.of(logits.data(), type, rows, classes)
            : fixture.arena().allocate(type, rows, classes).fill(Double.NaN);
    kernels.crossentropy().forward(logits, in[1], nll, lse);
    kernels.crossentropy().backward(logits, in[1], in[2], lse, dLogits);
    return new Tensor[] {nll, lse, dLogits};
  }

  private static Tensor[] inputs(Fixture fixture, int rows, int classes) {
    Tensor logits = fixture.wide(rows, classes);
    for (int n = 0; n < rows; n++) {
      // Rows far from zero overflow a softmax that does not subtract its maximum.
      for (int i = 0; i < classes; i++) {
        logits.set(n, i, 3 * logits.get(n, i) + (n % 3 - 1) * 200);
      }
    }
    return new Tensor[] {logits, fixture.integers(classes, rows), fixture.wide(rows)};
  }

  private static double[][] naive(Arithmetic a, int rows, int classes, Tensor... in) {
    double[] logits = array(in[0]);
    double[] nll = new double[rows];
    double[] lse = new double[rows];
    double[] dLogits = new double[rows * classes];
    for (int n = 0; n < rows; n++) {
      int at = n * classes;
      double max = logits[at];
      for (int i = 1; i < classes; i++) {
        max = Math.max(max, logits[at + i]);
      }
      double sum = 0;
      for (int i = 0; i < classes; i++) {
        sum = a.add(sum, a.round(Math.exp(a.add(logits[at + i], -max))));
      }
      lse[n] = a.add(max, a.round(Math.log(sum)));
      int target = (int) in[1].getLong(n);
      nll[n] = a.add(lse[n], -logits[at + target]);
      for (int i = 0; i < classes; i++) {
        double p = a.round(Math.exp(a.add(logits[at + i], -lse[n])));
        dLogits[at + i] = a.mul(in[2].get(n), i == target ? a.add(p, -1) : p);
      }
    }
    return new double[][] {nll, lse, dLogits};
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    for (int rows : Fixture.ROWS) {
      for (int classes : Fixture.OUTER) {
        for (boolean inPlace : new boolean[] {false, true}) {
          try (Fixture fixture = new Fixture(kernels, rows * 1000L + classes)) {
            Tensor[] in = inputs(fixture, rows, classes);
            Tensor[] actual = run(kernels, fixture, inPlace, in);
            Tensor[] expected = run(Providers.REFERENCE, fixture, false, fixture.exact(in));
            double[][] naive = naive(Arithmetic.of(kernels), rows, classes, in);
            String size = rows + " x " + classes + (inPlace ? " in place" : "");
            tolerance.add(classes + " classes", size, "nll lse dLogits", actual, expected, naive);
          }
        }
      }
    }
    tolerance.verify();
  }

  @Test
  void theGradientAgreesWithFiniteDifferences() {
    try (Fixture fixture = new Fixture(Providers.REFERENCE, 5)) {
      Tensor[] in = inputs(fixture, 3, 7);
      Tensor[] out = run(Providers.REFERENCE, fixture, true, in);
      FiniteDifferences.check(
          "dLogits",
          () -> FiniteDifferences.inner(run(Providers.REFERENCE, fixture, false, in)[0], in[2]),
          in[0],
          out[2]);
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void equalLogitsGiveTheLogOfTheClasses(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 5)) {
      Tensor logits = fixture.wide(2, 64).fill(-7);
      Tensor[] out = run(kernels, fixture, false, logits, fixture.integers(64, 2), fixture.wide(2));
      assertEquals(Math.log(64), out[0].get(0), 1e-6);
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isBatchInvariant(Kernels kernels) {
    for (int classes : new int[] {53, 172}) {
      try (Fixture own = new Fixture(kernels, 6)) {
        Tensor[] in = inputs(own, 1, classes);
        for (boolean inPlace : new boolean[] {false, true}) {
          Invariance.check(
              kernels,
              1,
              place -> {
                Tensor logits = place.around(in[0]);
                Tensor targets = place.aroundVector(in[1]);
                Tensor weights = place.aroundVector(in[2]);
                return place.ownBits(
                    run(kernels, place.fixture(), inPlace, logits, targets, weights));
              });
        }
      }
    }
  }
}
