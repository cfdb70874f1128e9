package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

/** Norms and verified sums of weight gradients that are never held as a whole. */
class ClippedExamplesTest {
  private static final int BITS = 20;

  /** Tokens of examples; widths of the two sides. Both ways to a norm are taken. */
  private static final int[] LENGTHS = {1, 2, 17, 64, 150};

  private static final int[][] WIDTHS = {{2, 8}, {53, 64}, {172, 18}, {64, 172}, {300, 100}};

  private record Product(Fixture fixture, Tensor left, Tensor right, int[] starts) {
    static Product of(Fixture fixture, int m, int n, int... lengths) {
      int[] starts = new int[lengths.length + 1];
      for (int e = 0; e < lengths.length; e++) {
        starts[e + 1] = starts[e] + lengths[e];
      }
      int rows = starts[lengths.length];
      return new Product(fixture, fixture.compute(rows, m), fixture.compute(rows, n), starts);
    }

    Tensor startsTensor() {
      Tensor tensor = fixture.arena().allocate(DType.I32, starts.length);
      for (int i = 0; i < starts.length; i++) {
        tensor.set(i, starts[i]);
      }
      return tensor;
    }

    int examples() {
      return starts.length - 1;
    }

    Tensor zeroSums() {
      return fixture.arena().allocate(DType.I32, left.cols(), right.cols());
    }

    Tensor workspace(Kernels kernels) {
      long size =
          kernels
              .linear()
              .workspace(left.type(), left.rows(), examples(), left.cols(), right.cols());
      return fixture.arena().allocate(kernels.wide(), size).fill(Double.NaN);
    }

    double norm(Kernels kernels, int example) {
      return kernels
          .linear()
          .exampleNorm(left, right, starts[example], starts[example + 1], workspace(kernels));
    }

    /** Factors that bring each example to the bound, or a multiple of that. */
    ClippedExamples examples(Kernels kernels, double times, long ratio) {
      ClippedExamples examples = new ClippedExamples(examples(), kernels.wide(), fixture.arena());
      examples.begin(examples(), BITS);
      for (int e = 0; e < examples(); e++) {
        double norm = Math.sqrt(norm(kernels, e));
        examples.set(e, times * (1 - 1e-6) * (1 << BITS) / norm, ratio);
      }
      return examples;
    }

    void accumulate(Kernels kernels, ClippedExamples examples, EmbeddingRows more, Tensor sums) {
      kernels
          .linear()
          .accumulate(left, right, startsTensor(), examples, more, sums, workspace(kernels));
    }
  }

  private static int[] integers(Tensor sums) {
    int[] z = new int[Math.toIntExact(sums.size())];
    for (int i = 0; i < z.length; i++) {
      z[i] = (int) sums.get(i);
    }
    return z;
  }

  private static long squares(int[] z) {
    return Arrays.stream(z).mapToLong(i -> (long) i * i).sum();
  }

  private static double tolerance(Kernels kernels) {
    return kernels.wide() == DType.F64 ? 1e-12 : 2e-5;
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aNormIsThatOfTheProduct(Kernels kernels) {
    for (int length : LENGTHS) {
      for (int[] width : WIDTHS) {
        try (Fixture fixture = new Fixture(kernels, length, length % 2 == 0)) {
          Product product = Product.of(fixture, width[0], width[1], 3, length);
          Tensor[] exact = fixture.exact(product.left, product.right);
          double expected =
              Providers.REFERENCE
                  .linear()
                  .exampleNorm(exact[0], exact[1], 3, 3 + length, fixture.wide(1));
          double actual = product.norm(kernels, 1);
          assertEquals(expected, actual, tolerance(kernels) * expected, length + ": " + width[0]);
        }
      }
    }
  }

  /** A row of a table may be so wide that its squares alone would wrap. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void theTotalOfAWideRowDoesNotWrap(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 3)) {
      for (int cols : new int[] {28_672, 32_768, 65_536}) {
        EmbeddingRows wide =
            new EmbeddingRows(
                integers(fixture, new int[] {0, 1}),
                integers(fixture, new int[] {0}),
                integers(fixture, new int[] {0}),
                fixture.wide(1, cols).fill(1),
                1);
        ClippedExamples examples = new ClippedExamples(1, kernels.wide(), fixture.arena());
        examples.begin(1, 24);
        examples.set(0, 1e9, ClippedExamples.WHOLE);
        kernels
            .embedding()
            .accumulate(wide, examples, fixture.arena().allocate(DType.I32, 1, cols));
        assertTrue(examples.total(0) > ClippedExamples.MAX_TOTAL, cols + " columns");
      }
    }
  }

  /** One id in two places would be two contributions to one row of the table. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void idsThatDoNotAscendAreRefused(Kernels kernels) {
    if (kernels.wide() == DType.F64 || kernels instanceof ReferenceKernels) {
      return; // The reference adds them up first, in whatever order.
    }
    try (Fixture fixture = new Fixture(kernels, 4)) {
      Product none = Product.of(fixture, 20, 8, 0, 0);
      EmbeddingRows sound = rows(fixture, 8, 1);
      EmbeddingRows apart =
          new EmbeddingRows(
              sound.starts(),
              integers(fixture, new int[] {4, 7, 0, 3, 5, 3, 19}),
              sound.rows(),
              sound.values(),
              1);
      ClippedExamples examples = new ClippedExamples(2, kernels.wide(), fixture.arena());
      examples.begin(2, BITS);
      examples.set(1, 1, ClippedExamples.WHOLE);
      Tensor sums = none.zeroSums();
      assertThrows(
          IllegalArgumentException.class, () -> none.accumulate(kernels, examples, apart, sums));
      assertThrows(
          IllegalArgumentException.class,
          () -> kernels.embedding().accumulate(apart, examples, sums));
      assertThrows(
          IllegalArgumentException.class,
          () -> kernels.embedding().exampleNorm(apart, 1, null, null, 0, 0, 20));
      assertEquals(0, squares(integers(sums)));
    }
  }

  /** What is counted as an example's norm is that of the very integers that entered. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void totalsAreTheSquaresOfWhatEntered(Kernels kernels) {
    for (int length : LENGTHS) {
      for (int[] width : WIDTHS) {
        try (Fixture fixture = new Fixture(kernels, length, length % 2 == 0)) {
          Product product = Product.of(fixture, width[0], width[1], length);
          ClippedExamples examples = product.examples(kernels, 1, ClippedExamples.WHOLE);
          Tensor sums = product.zeroSums();
          product.accumulate(kernels, examples, null, sums);
          int[] z = integers(sums);
          assertEquals(squares(z), examples.total(0));
          assertTrue(examples.total(0) <= 1L << 2 * BITS);
          assertTrue(examples.total(0) > 0.99 * (1L << 2 * BITS), "nearly nothing is lost");
          assertNear(kernels, product, examples, z);
        }
      }
    }
  }

  /** The integers are those of the exact product, but for the rounding of the product. */
  private static void assertNear(
      Kernels kernels, Product product, ClippedExamples examples, int[] z) {
    Fixture fixture = product.fixture;
    Tensor[] exact = fixture.exact(product.left, product.right);
    Tensor gradient =
        fixture.arena().allocate(DType.F64, product.left.cols(), product.right.cols());
    Providers.REFERENCE
        .linear()
        .exampleGrad(exact[1], exact[0], 0, product.left.rows(), gradient, null);
    double factor = examples.factors().get(0);
    for (int i = 0; i < z.length; i++) {
      double error = Math.abs(z[i] - factor * gradient.get(i));
      double allowed = 1 + tolerance(kernels) * factor * Math.sqrt(product.left.rows()) * 40;
      assertTrue(error <= allowed, error + " at " + i);
    }
  }

  /** Taking out is exactly putting in, whatever the sums hold and however often they wrapped. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void takingOutUndoesToTheBit(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 5)) {
      Product product = Product.of(fixture, 53, 64, 17, 1, 40);
      Tensor sums = product.zeroSums();
      Random random = new Random(1);
      for (int i = 0; i < sums.size(); i++) {
        int[] starts = {Integer.MAX_VALUE, Integer.MIN_VALUE, random.nextInt()};
        sums.set(i, starts[i % 3]);
      }
      int[] before = integers(sums);
      ClippedExamples in = product.examples(kernels, 3, ClippedExamples.WHOLE);
      product.accumulate(kernels, in, null, sums);
      assertTrue(!Arrays.equals(before, integers(sums)));
      ClippedExamples out = product.examples(kernels, 3, -ClippedExamples.WHOLE);
      product.accumulate(kernels, out, null, sums);
      assertArrayEquals(before, integers(sums));
      for (int e = 0; e < 3; e++) {
        assertEquals(in.total(e), out.total(e));
        assertTrue(in.total(e) > 1L << 2 * BITS, "three times too large");
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aShareIsOfTheIntegersNotOfTheGradient(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 6)) {
      Product product = Product.of(fixture, 53, 64, 17);
      Tensor whole = product.zeroSums();
      product.accumulate(kernels, product.examples(kernels, 3, ClippedExamples.WHOLE), null, whole);
      for (long ratio : new long[] {ClippedExamples.WHOLE / 3, 1, -ClippedExamples.WHOLE / 5}) {
        Tensor part = product.zeroSums();
        product.accumulate(kernels, product.examples(kernels, 3, ratio), null, part);
        for (int i = 0; i < whole.size(); i++) {
          long z = (long) whole.get(i);
          long share = (Math.abs(z) * Math.abs(ratio)) >> 32;
          assertEquals(Long.signum(z) * Long.signum(ratio) * share, (long) part.get(i));
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void anExampleWithoutAFactorStaysOut(Kernels kernels) {
    double[] factors = {Double.NaN, -1, -1e-300, Double.POSITIVE_INFINITY};
    try (Fixture fixture = new Fixture(kernels, 7)) {
      Product product = Product.of(fixture, 18, 16, 3, 3, 3, 3, 3);
      ClippedExamples examples = new ClippedExamples(5, kernels.wide(), fixture.arena());
      examples.begin(5, BITS);
      for (int e = 0; e < 4; e++) {
        examples.set(e, factors[e], ClippedExamples.WHOLE);
      }
      examples.set(4, 1, 0);
      Tensor sums = product.zeroSums();
      product.accumulate(kernels, examples, null, sums);
      assertEquals(0, squares(integers(sums)));
      for (int e = 0; e < 5; e++) {
        assertEquals(0, examples.total(e));
        assertEquals(e == 4, examples.enters(e));
      }
      assertThrows(
          IllegalArgumentException.class, () -> examples.set(0, 1, ClippedExamples.WHOLE + 1));
      assertThrows(IllegalArgumentException.class, () -> examples.begin(6, BITS));
    }
  }

  /**
   * NaN enters as 0, what is infinite at the edge of the grid; a total that could wrap is marked.
   */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void whatIsNotFiniteIsBounded(Kernels kernels) {
    int bits = 24;
    for (double value : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
      try (Fixture fixture = new Fixture(kernels, 8)) {
        Product product = Product.of(fixture, 70, 65, 1);
        product.left.fill(value);
        product.right.fill(1);
        ClippedExamples examples = new ClippedExamples(1, kernels.wide(), fixture.arena());
        for (long ratio : new long[] {ClippedExamples.WHOLE, -ClippedExamples.WHOLE}) {
          examples.begin(1, bits);
          examples.set(0, 1, ratio);
          Tensor sums = product.zeroSums();
          product.accumulate(kernels, examples, null, sums);
          boolean nan = Double.isNaN(value);
          for (int z : integers(sums)) {
            assertEquals(nan ? 0 : (ratio > 0 ? 1 : -1) << bits, z);
          }
          // 70 * 65 * 2^48 is above 2^60.
          assertEquals(!nan, examples.total(0) > ClippedExamples.MAX_TOTAL);
          product.accumulate(kernels, examples, null, sums);
          assertEquals(!nan, examples.total(0) > ClippedExamples.MAX_TOTAL, "and stays so");
        }
      }
    }
  }

  /** Whoever stands beside an example, and whether they enter, its integers are the same. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void examplesAreBatchInvariant(Kernels kernels) {
    for (int length : new int[] {1, 2, 3, 17}) {
      try (Fixture own = new Fixture(kernels, 9)) {
        Tensor left = own.compute(length, 53);
        Tensor right = own.compute(length, 64);
        Invariance.check(
            kernels,
            length,
            place -> {
              int at = place.at();
              int[] starts = {0, at, at + length, place.rows()};
              Product product =
                  new Product(place.fixture(), place.around(left), place.around(right), starts);
              ClippedExamples examples =
                  new ClippedExamples(3, kernels.wide(), place.fixture().arena());
              examples.begin(3, BITS);
              // Mates that are NaN enter as zeros; others stay out.
              examples.set(0, 1, place.poisoned() ? ClippedExamples.WHOLE : 0);
              examples.set(1, 1000, ClippedExamples.WHOLE);
              examples.set(2, 1, place.poisoned() ? ClippedExamples.WHOLE : 0);
              Tensor sums = product.zeroSums();
              product.accumulate(kernels, examples, null, sums);
              double norm = product.norm(kernels, 1);
              long[] bits = {examples.total(1), Double.doubleToRawLongBits(norm)};
              return place.join(place.allBits(sums), bits);
            });
      }
    }
  }

  /** The sum over a group is the sum of the examples alone. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aGroupIsTheSumOfItsExamples(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 10)) {
      int[] lengths = {3, 0, 17, 1, 8, 31};
      Product product = Product.of(fixture, 172, 53, lengths);
      ClippedExamples all = product.examples(kernels, 1, ClippedExamples.WHOLE);
      all.set(1, 1, ClippedExamples.WHOLE);
      Tensor together = product.zeroSums();
      product.accumulate(kernels, all, null, together);
      Tensor apart = product.zeroSums();
      for (int e = 0; e < lengths.length; e++) {
        ClippedExamples one = new ClippedExamples(lengths.length, kernels.wide(), fixture.arena());
        one.begin(lengths.length, BITS);
        one.set(e, all.factors().get(e), ClippedExamples.WHOLE);
        product.accumulate(kernels, one, null, apart);
        assertEquals(all.total(e), one.total(e));
      }
      assertArrayEquals(integers(together), integers(apart));
      assertEquals(0, all.total(1), "an example without tokens");
    }
  }

  /** Rows of two examples in a table of 20: of the second some ids come up more than once. */
  private static EmbeddingRows rows(Fixture fixture, int cols, double scale) {
    int[] ids = {4, 7, 0, 3, 3, 3, 19};
    int[] rows = {1, 0, 2, 6, 4, 3, 5};
    int[] starts = {0, 2, 7};
    return new EmbeddingRows(
        integers(fixture, starts),
        integers(fixture, ids),
        integers(fixture, rows),
        fixture.wide(7, cols),
        scale);
  }

  private static Tensor integers(Fixture fixture, int[] values) {
    Tensor tensor = fixture.arena().allocate(DType.I32, values.length);
    for (int i = 0; i < values.length; i++) {
      tensor.set(i, values[i]);
    }
    return tensor;
  }

  private static EmbeddingRows exact(Fixture fixture, EmbeddingRows rows) {
    return new EmbeddingRows(
        rows.starts(), rows.ids(), rows.rows(), fixture.exact(rows.values())[0], rows.scale());
  }

  /** An embedding's norm counts what tokens of one id add up to, and a tied one the cross term. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void theNormOfATiedTableIsThatOfTheSum(Kernels kernels) {
    for (int cols : new int[] {8, 53, 64}) {
      try (Fixture fixture = new Fixture(kernels, cols, cols == 53)) {
        Product product = Product.of(fixture, 20, cols, 4, 9);
        EmbeddingRows rows = rows(fixture, cols, 1.5);
        EmbeddingRows exactRows = exact(fixture, rows);
        Tensor[] exact = fixture.exact(product.left, product.right);
        for (int e = 0; e < 2; e++) {
          int from = product.starts[e];
          int to = product.starts[e + 1];
          Embedding reference = Providers.REFERENCE.embedding();
          double alone = reference.exampleNorm(exactRows, e, null, null, 0, 0, 20);
          double actual = kernels.embedding().exampleNorm(rows, e, null, null, 0, 0, 20);
          assertEquals(alone, actual, tolerance(kernels) * alone);
          double tied = reference.exampleNorm(exactRows, e, exact[0], exact[1], from, to, 20);
          actual =
              kernels.embedding().exampleNorm(rows, e, product.left, product.right, from, to, 20);
          assertEquals(tied, actual, tolerance(kernels) * (alone + Math.abs(tied)));
        }
      }
    }
  }

  /** The oracle's own: norm of the materialised sum of both uses. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void theNormOfATiedTableIsMaterialised(Kernels kernels) {
    Kernels reference = Providers.REFERENCE;
    try (Fixture fixture = new Fixture(kernels, 12)) {
      Product product = Product.of(fixture, 20, 16, 4, 9);
      EmbeddingRows rows = rows(fixture, 16, 1.5);
      Tensor[] in = fixture.exact(product.left, product.right, rows.values());
      for (int e = 0; e < 2; e++) {
        int from = product.starts[e];
        int to = product.starts[e + 1];
        Tensor table = fixture.arena().allocate(DType.F64, 20, 16);
        reference.linear().exampleGrad(in[1], in[0], from, to, table, null);
        for (long i = rows.starts().getLong(e); i < rows.starts().getLong(e + 1); i++) {
          long id = rows.ids().getLong(i);
          for (int c = 0; c < 16; c++) {
            double more = rows.scale() * in[2].get(rows.rows().getLong(i), c);
            table.set(id, c, table.get(id, c) + more);
          }
        }
        double expected = reference.clip().exampleNorm(table);
        double actual =
            product.norm(kernels, e)
                + kernels
                    .embedding()
                    .exampleNorm(rows, e, product.left, product.right, from, to, 20);
        assertEquals(expected, actual, tolerance(kernels) * 10 * expected);
      }
    }
  }

  /** A tied table's two uses are added before anything is rounded: one contribution. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void aTiedTableHasOneContribution(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 13)) {
      Product product = Product.of(fixture, 20, 53, 4, 9);
      EmbeddingRows rows = rows(fixture, 53, 1.5);
      Product exact =
          new Product(
              fixture,
              fixture.exact(product.left)[0],
              fixture.exact(product.right)[0],
              product.starts);
      ClippedExamples actual = product.examples(kernels, 0.5, ClippedExamples.WHOLE);
      ClippedExamples expected = new ClippedExamples(2, DType.F64, fixture.arena());
      expected.begin(2, BITS);
      for (int e = 0; e < 2; e++) {
        expected.set(e, actual.factors().get(e), ClippedExamples.WHOLE);
      }
      Tensor sums = product.zeroSums();
      product.accumulate(kernels, actual, rows, sums);
      Tensor exactSums = product.zeroSums();
      exact.accumulate(Providers.REFERENCE, expected, exact(fixture, rows), exactSums);
      for (int i = 0; i < sums.size(); i++) {
        assertEquals(exactSums.get(i), sums.get(i), 2 + tolerance(kernels) * (1 << BITS));
      }
      for (int e = 0; e < 2; e++) {
        ClippedExamples alone = new ClippedExamples(2, kernels.wide(), fixture.arena());
        alone.begin(2, BITS);
        alone.set(e, actual.factors().get(e), ClippedExamples.WHOLE);
        Tensor own = product.zeroSums();
        product.accumulate(kernels, alone, rows, own);
        assertEquals(squares(integers(own)), actual.total(e));
      }
    }
  }

  /** An embedding alone is a tied one whose output layer saw no token. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void anEmbeddingAloneIsATiedOneWithoutOutputs(Kernels kernels) {
    for (int cols : new int[] {8, 53}) {
      try (Fixture fixture = new Fixture(kernels, cols)) {
        EmbeddingRows rows = rows(fixture, cols, 0.7);
        Product none = Product.of(fixture, 20, cols, 0, 0);
        Tensor[] sums = {none.zeroSums(), none.zeroSums()};
        long[][] totals = new long[2][2];
        for (long ratio : new long[] {ClippedExamples.WHOLE, 1L << 30, -ClippedExamples.WHOLE}) {
          for (int way = 0; way < 2; way++) {
            ClippedExamples examples = new ClippedExamples(2, kernels.wide(), fixture.arena());
            examples.begin(2, BITS);
            examples.set(0, 1e4, ratio);
            examples.set(1, 3e4, ratio);
            if (way == 0) {
              none.accumulate(kernels, examples, rows, sums[0]);
            } else {
              kernels.embedding().accumulate(rows, examples, sums[1]);
            }
            totals[way] = new long[] {examples.total(0), examples.total(1)};
          }
          assertArrayEquals(integers(sums[0]), integers(sums[1]));
          assertArrayEquals(totals[0], totals[1]);
          assertTrue(totals[0][1] > 0);
        }
      }
    }
  }
}
