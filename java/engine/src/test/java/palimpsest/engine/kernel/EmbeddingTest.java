package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static palimpsest.engine.kernel.Fixture.array;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

class EmbeddingTest {
  /** Small, so that an example repeats tokens. */
  private static final int VOCABULARY = 5;

  private static final int POSITIONS = 40;
  private static final double SCALE = 1.75;

  /**
   * Inputs ids, positions, table, position table, dOut and the starts of dTable and dPositions
   * (position table and dPositions may be null); outputs out, dTable, dPositions.
   */
  private static Tensor[] run(Kernels kernels, Fixture fixture, int from, int to, Tensor... in) {
    Tensor out = fixture.empty(kernels.wide(), in[4].rows(), in[4].cols());
    Tensor dTable = fixture.contiguous(in[5], kernels.wide());
    Tensor dPositions = in[6] == null ? null : fixture.contiguous(in[6], kernels.wide());
    kernels.embedding().forward(in[0], in[1], in[2], in[3], SCALE, out);
    kernels.embedding().exampleGrad(in[0], in[1], in[4], from, to, SCALE, dTable, dPositions);
    return dPositions == null ? new Tensor[] {out, dTable} : new Tensor[] {out, dTable, dPositions};
  }

  private static Tensor[] inputs(
      Kernels kernels, Fixture fixture, int rows, int cols, DType table, boolean learned) {
    return new Tensor[] {
      fixture.integers(VOCABULARY, rows),
      fixture.integers(POSITIONS, rows),
      fixture.contiguous(fixture.wide(VOCABULARY, cols), table),
      learned ? fixture.contiguous(fixture.wide(POSITIONS, cols), table) : null,
      fixture.wide(rows, cols),
      fixture.wide(VOCABULARY, cols),
      learned ? fixture.wide(POSITIONS, cols) : null
    };
  }

  private static double[][] naive(
      Arithmetic a, int rows, int cols, int from, int to, Tensor... in) {
    double[] table = array(in[2]);
    double[] positionTable = in[3] == null ? null : array(in[3]);
    double[] dOut = array(in[4]);
    double[] dTable = array(in[5]);
    double[] dPositions = in[6] == null ? null : array(in[6]);
    double[] out = new double[rows * cols];
    for (int n = 0; n < rows; n++) {
      int id = (int) in[0].get(n) * cols;
      int position = (int) in[1].get(n) * cols;
      for (int i = 0; i < cols; i++) {
        double added = positionTable == null ? 0 : positionTable[position + i];
        out[n * cols + i] = a.mulAdd(SCALE, table[id + i], added);
      }
      if (n >= from && n < to) {
        a.addScaled(SCALE, dOut, n * cols, dTable, id, cols);
        if (dPositions != null) {
          a.addScaled(1, dOut, n * cols, dPositions, position, cols);
        }
      }
    }
    return dPositions == null
        ? new double[][] {out, dTable}
        : new double[][] {out, dTable, dPositions};
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    for (int rows : Fixture.ROWS) {
      for (int cols : Fixture.OUTER) {
        for (boolean learned : new boolean[] {false, true}) {
          for (DType table : new DType[] {kernels.compute(), kernels.wide()}) {
            try (Fixture fixture = new Fixture(kernels, rows * 1000L + cols, rows % 2 == 0)) {
              Tensor[] in = inputs(kernels, fixture, rows, cols, table, learned);
              int from = rows / 3;
              Tensor[] actual = run(kernels, fixture, from, rows, in);
              Tensor[] expected = run(Providers.REFERENCE, fixture, from, rows, fixture.exact(in));
              double[][] naive = naive(Arithmetic.of(kernels), rows, cols, from, rows, in);
              String size = rows + " x " + cols + " from " + table;
              String names = learned ? "out dTable dPositions" : "out dTable";
              tolerance.add(
                  "width " + cols + " from " + table, size, names, actual, expected, naive);
            }
          }
        }
      }
    }
    tolerance.verify();
  }

  @Test
  void gradientsAgreeWithFiniteDifferences() {
    try (Fixture fixture = new Fixture(Providers.REFERENCE, 5)) {
      Tensor[] in = inputs(Providers.REFERENCE, fixture, 7, 4, DType.F64, true);
      in[5].fill(0);
      in[6].fill(0);
      Tensor[] out = run(Providers.REFERENCE, fixture, 0, 7, in);
      FiniteDifferences.check("dTable", () -> loss(fixture, in), in[2], out[1]);
      FiniteDifferences.check("dPositions", () -> loss(fixture, in), in[3], out[2]);
    }
  }

  private static double loss(Fixture fixture, Tensor[] in) {
    return FiniteDifferences.inner(run(Providers.REFERENCE, fixture, 0, 7, in)[0], in[4]);
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void isBatchInvariant(Kernels kernels) {
    try (Fixture own = new Fixture(kernels, 6)) {
      for (int length : new int[] {1, 3, 7}) {
        Tensor[] in = inputs(kernels, own, length, 172, kernels.compute(), true);
        Invariance.check(
            kernels,
            length,
            place -> {
              Tensor[] out =
                  run(
                      kernels,
                      place.fixture(),
                      place.at(),
                      place.at() + length,
                      place.aroundVector(in[0]),
                      place.aroundVector(in[1]),
                      in[2],
                      in[3],
                      place.around(in[4]),
                      in[5],
                      in[6]);
              return place.join(place.ownBits(out[0]), place.allBits(out[1], out[2]));
            });
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void refusesIdsOutsideTheTableWithoutNamingThem(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 7)) {
      for (int bad : new int[] {-1, VOCABULARY, 987_654}) {
        Tensor[] in = inputs(kernels, fixture, 3, 8, kernels.compute(), false);
        in[0].set(1, bad);
        IllegalArgumentException error =
            assertThrows(IllegalArgumentException.class, () -> run(kernels, fixture, 0, 3, in));
        assertTrue(!error.getMessage().contains("987654"), "the message names private content");
      }
    }
  }
}
