package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** Norms of weight gradients, estimated from their products with sign vectors. */
class SketchedNormTest {
  /** Widths of the two sides; the first is what the vectors meet. */
  private static final int[][] WIDTHS = {{20, 8}, {64, 53}, {172, 18}, {1100, 40}, {33, 100}};

  private static final int[] LENGTHS = {0, 1, 2, 17, 65, 150};

  /** Signs by random. */
  private static Tensor signs(Fixture fixture, int vectors, int width) {
    Tensor tensor = fixture.arena().allocate(DType.F32, vectors, width);
    for (long i = 0; i < tensor.size(); i++) {
      tensor.set(i, fixture.random().nextBoolean() ? 1 : -1);
    }
    return tensor;
  }

  /** Rows for a table, of one example from number {@code from} on, in ascending order of ids. */
  private static EmbeddingRows rows(Fixture fixture, int table, int cols, int from, int count) {
    int[] ids =
        IntStream.range(0, from + count).map(i -> fixture.random().nextInt(table)).toArray();
    Arrays.sort(ids, from, from + count);
    return new EmbeddingRows(
        integers(fixture, from, from + count),
        integers(fixture, ids),
        integers(
            fixture, IntStream.range(0, from + count).map(i -> from + count - 1 - i).toArray()),
        fixture.wide(from + count, cols),
        1.5);
  }

  private static Tensor integers(Fixture fixture, int... values) {
    Tensor tensor = fixture.arena().allocate(DType.I32, values.length);
    for (int i = 0; i < values.length; i++) {
      tensor.set(i, values[i]);
    }
    return tensor;
  }

  private static double norm(
      Kernels kernels,
      Fixture fixture,
      Tensor left,
      Tensor right,
      long from,
      long to,
      Tensor signs,
      EmbeddingRows more) {
    LinearWeights vectors = kernels.linear().pack(signs, null, false, fixture.arena());
    long size =
        kernels
            .linear()
            .workspace(left.type(), 160, 1, left.cols(), right.cols(), (int) signs.rows());
    Tensor workspace = fixture.arena().allocate(kernels.wide(), size).fill(Double.NaN);
    return kernels.linear().exampleNorm(left, right, from, to, vectors, more, 0, workspace);
  }

  /** Rounding: that of products, and of operands to bfloat16, of which there are many. */
  private static double tolerance(Kernels kernels) {
    return kernels.wide() == DType.F64 ? 1e-12 : kernels.compute() == DType.BF16 ? 1e-2 : 2e-5;
  }

  /** The vectors may be any number, the example anywhere, its own rows fewer than those added. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aSketchIsThatOfTheGradient(Kernels kernels) {
    for (int length : LENGTHS) {
      for (int[] width : WIDTHS) {
        int vectors = new int[] {1, 5, 16, 40}[(length + width[0]) % 4];
        try (Fixture fixture = new Fixture(kernels, length, length % 2 == 0)) {
          Tensor left = fixture.compute(length + 4, width[0]);
          Tensor right = fixture.compute(length + 4, width[1]);
          Tensor signs = signs(fixture, vectors, width[0]);
          EmbeddingRows rows = rows(fixture, width[0], width[1], 3, 1 + length / 2);
          for (EmbeddingRows more : Arrays.asList(null, rows)) {
            Tensor[] exact = fixture.exact(left, right, rows.values());
            EmbeddingRows moreExact =
                more == null
                    ? null
                    : new EmbeddingRows(
                        more.starts(), more.ids(), more.rows(), exact[2], more.scale());
            double expected =
                norm(
                    Providers.REFERENCE,
                    fixture,
                    exact[0],
                    exact[1],
                    3,
                    3 + length,
                    signs,
                    moreExact);
            double actual = norm(kernels, fixture, left, right, 3, 3 + length, signs, more);
            assertEquals(expected, actual, tolerance(kernels) * expected, length + ": " + width[0]);
          }
        }
      }
    }
  }

  /**
   * With vectors that are orthogonal and as many as the side has elements, the mean is the norm
   * itself: rows added, cross terms and all. Sylvester's construction (1867) has signs for it.
   */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void orthogonalVectorsGiveTheNorm(Kernels kernels) {
    int side = 64;
    try (Fixture fixture = new Fixture(kernels, 2)) {
      Tensor signs = fixture.arena().allocate(DType.F32, side, side);
      for (int r = 0; r < side; r++) {
        for (int i = 0; i < side; i++) {
          signs.set(r, i, Integer.bitCount(r & i) % 2 == 0 ? 1 : -1);
        }
      }
      Tensor left = fixture.compute(30, side);
      Tensor right = fixture.compute(30, 18);
      EmbeddingRows more = rows(fixture, side, 18, 0, 25);
      Tensor[] exact = fixture.exact(left, right, more.values());
      EmbeddingRows moreExact =
          new EmbeddingRows(more.starts(), more.ids(), more.rows(), exact[2], more.scale());
      Linear linear = Providers.REFERENCE.linear();
      double product = linear.exampleNorm(exact[0], exact[1], 0, 30, null);
      double both =
          product
              + Providers.REFERENCE
                  .embedding()
                  .exampleNorm(moreExact, 0, exact[0], exact[1], 0, 30, side);
      assertEquals(
          product,
          norm(kernels, fixture, left, right, 0, 30, signs, null),
          tolerance(kernels) * product);
      assertEquals(
          both, norm(kernels, fixture, left, right, 0, 30, signs, more), tolerance(kernels) * both);
    }
  }

  /** Whoever stands beside an example, its estimate is the same. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aSketchIsBatchInvariant(Kernels kernels) {
    for (int length : new int[] {1, 2, 3, 17}) {
      try (Fixture own = new Fixture(kernels, 9)) {
        Tensor left = own.compute(length, 53);
        Tensor right = own.compute(length, 64);
        Tensor signs = signs(own, 7, 53);
        EmbeddingRows more = rows(own, 53, 64, 0, length);
        Invariance.check(
            kernels,
            length,
            place -> {
              int at = place.at();
              EmbeddingRows placed =
                  new EmbeddingRows(
                      more.starts(),
                      more.ids(),
                      integers(
                          place.fixture(),
                          IntStream.range(0, length).map(i -> at + length - 1 - i).toArray()),
                      place.around(more.values()),
                      more.scale());
              double norm =
                  norm(
                      kernels,
                      place.fixture(),
                      place.around(left),
                      place.around(right),
                      at,
                      at + length,
                      signs,
                      placed);
              assertTrue(norm > 0 && norm < Double.POSITIVE_INFINITY, "of nothing beside it");
              return new long[] {Double.doubleToRawLongBits(norm)};
            });
      }
    }
  }

  /** What is not finite cannot look like a small gradient. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void whatIsNotFiniteIsNotEstimated(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 4)) {
      Tensor signs = signs(fixture, 16, 40);
      for (double value : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
        for (boolean first : new boolean[] {true, false}) {
          Tensor left = fixture.compute(9, 40);
          Tensor right = fixture.compute(9, 20);
          (first ? left : right).set(5, 3, value);
          double norm = norm(kernels, fixture, left, right, 0, 9, signs, null);
          assertEquals(0, norm * 0 == 0 ? 1 : 0, value + " gave " + norm);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void whatDoesNotFitIsRefused(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 3)) {
      Tensor left = fixture.compute(9, 40);
      Tensor right = fixture.compute(9, 20);
      Tensor narrow = signs(fixture, 4, 39);
      assertThrows(
          IllegalArgumentException.class,
          () -> norm(kernels, fixture, left, right, 0, 9, narrow, null));
      if (kernels instanceof ReferenceKernels) {
        return; // It has no workspace, and adds rows up in whatever order.
      }
      Tensor signs = signs(fixture, 4, 40);
      EmbeddingRows apart =
          new EmbeddingRows(
              integers(fixture, 0, 3),
              integers(fixture, 4, 7, 4),
              integers(fixture, 0, 1, 2),
              fixture.wide(3, 20),
              1);
      assertThrows(
          IllegalArgumentException.class,
          () -> norm(kernels, fixture, left, right, 0, 9, signs, apart));
      LinearWeights vectors = kernels.linear().pack(signs, null, false, fixture.arena());
      Tensor small = fixture.arena().allocate(kernels.wide(), 100);
      assertThrows(
          IllegalArgumentException.class,
          () -> kernels.linear().exampleNorm(left, right, 0, 9, vectors, null, 0, small));
    }
  }
}
