package palimpsest.engine.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static palimpsest.engine.kernel.Fixture.array;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;

class LinearTest {
  private static final double SCALE = 0.5;

  /** A layer's parameters; bias and adapter may be null. */
  private record Layer(Tensor weight, Tensor bias, Tensor a, Tensor b) {
    static Layer of(Fixture fixture, int in, int out, boolean bias, int rank) {
      return new Layer(
          fixture.operand(out, in),
          bias ? fixture.operand(out) : null,
          rank == 0 ? null : fixture.operand(rank, in),
          rank == 0 ? null : fixture.operand(out, rank));
    }

    int rank() {
      return a == null ? 0 : (int) a.rows();
    }

    Layer exact(Fixture fixture) {
      Tensor[] t = fixture.exact(weight, bias, a, b);
      return new Layer(t[0], t[1], t[2], t[3]);
    }

    /** backward sums over the outputs: pairs of bfloat16 want an even number of them. */
    boolean hasBackward() {
      return weight.rows() % 2 == 0;
    }

    LinearWeights pack(Kernels kernels, Fixture fixture) {
      return kernels.linear().pack(weight, bias, hasBackward(), fixture.arena());
    }

    LoraFactors packAdapter(Kernels kernels, Fixture fixture) {
      if (a == null) {
        return null;
      }
      LoraFactors factors =
          kernels.lora().allocate(rank(), weight.cols(), weight.rows(), fixture.arena());
      kernels.lora().pack(a, b, SCALE, factors);
      return factors;
    }
  }

  /** Inputs x, u (or null) and the start of y (null: overwrite); output y. */
  private static Tensor forward(
      Kernels kernels,
      Fixture fixture,
      LinearWeights weights,
      LoraFactors factors,
      DType type,
      Tensor... in) {
    boolean add = in[2] != null;
    Tensor y = add ? fixture.copy(in[2], type) : fixture.empty(type, in[0].rows(), weights.out());
    kernels.linear().forward(in[0], weights, in[1], factors, y, add);
    return y;
  }

  /** Inputs dy, du (or null) and the start of dx (null: overwrite); output dx. */
  private static Tensor backward(
      Kernels kernels, Fixture fixture, LinearWeights weights, LoraFactors factors, Tensor... in) {
    boolean add = in[2] != null;
    DType type = kernels.wide();
    Tensor dx = add ? fixture.copy(in[2], type) : fixture.empty(type, in[0].rows(), weights.in());
    kernels.linear().backward(in[0], weights, in[1], factors, dx, add);
    return dx;
  }

  private static double[] naiveForward(Arithmetic a, Layer layer, Tensor... in) {
    int rows = (int) in[0].rows();
    int width = (int) in[0].cols();
    int out = (int) layer.weight.rows();
    double[] y = a.timesTransposed(array(in[0]), array(layer.weight), rows, width, out);
    if (layer.a != null) {
      int rank = (int) layer.a.rows();
      y = a.plus(y, a.timesTransposed(array(in[1]), array(layer.b), rows, rank, out));
    }
    if (layer.bias != null) {
      for (int i = 0; i < y.length; i++) {
        y[i] = a.add(y[i], layer.bias.get(i % out));
      }
    }
    return in[2] == null ? y : a.plus(array(in[2]), y);
  }

  private static double[] naiveBackward(Arithmetic a, Layer layer, Tensor... in) {
    int rows = (int) in[0].rows();
    int out = (int) in[0].cols();
    int width = (int) layer.weight.cols();
    double[] dx = a.times(array(in[0]), array(layer.weight), rows, out, width);
    if (layer.a != null) {
      int rank = (int) layer.a.rows();
      dx = a.plus(dx, a.times(array(in[1]), array(layer.a), rows, rank, width));
    }
    return in[2] == null ? dx : a.plus(array(in[2]), dx);
  }

  /** Runs {@code body} over every size, with bias, adapter and stride in turn. */
  private static void overSizes(Kernels kernels, Body body) {
    int turn = 0;
    for (int rows : Fixture.ROWS) {
      for (int in : Fixture.INNER) {
        for (int out : Fixture.OUTER) {
          turn++;
          if (!Fixture.FULL && in * out > 172 * 64 && rows != 13) {
            continue;
          }
          try (Fixture fixture = new Fixture(kernels, turn, turn % 3 == 0)) {
            int rank = new int[] {0, 4, 8, 16}[turn % 4];
            boolean add = turn % 5 == 0;
            String size = rows + " rows, " + in + " to " + out + ", rank " + rank;
            Layer layer = Layer.of(fixture, in, out, turn % 2 == 0, rank);
            body.run(fixture, size + (add ? ", added" : ""), rows, layer, add);
          }
        }
      }
    }
  }

  private interface Body {
    void run(Fixture fixture, String size, int rows, Layer layer, boolean add);
  }

  /** Activations [rows, width] beside low-rank ones and, to add to, a start. */
  private static Tensor[] inputs(
      Fixture fixture, Layer layer, int rows, long width, long outWidth, boolean add) {
    return new Tensor[] {
      fixture.compute(rows, width),
      layer.a == null ? null : fixture.compute(rows, layer.a.rows()),
      add ? fixture.wide(rows, outWidth) : null
    };
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void forwardIsAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    Kernels reference = Providers.REFERENCE;
    overSizes(
        kernels,
        (fixture, size, rows, layer, add) -> {
          Tensor[] in = inputs(fixture, layer, rows, layer.weight.cols(), layer.weight.rows(), add);
          Layer exact = layer.exact(fixture);
          Tensor expected =
              forward(
                  reference,
                  fixture,
                  exact.pack(reference, fixture),
                  exact.packAdapter(reference, fixture),
                  DType.F64,
                  fixture.exact(in));
          double[] naive = naiveForward(Arithmetic.of(kernels), layer, in);
          LinearWeights weights = layer.pack(kernels, fixture);
          LoraFactors factors = layer.packAdapter(kernels, fixture);
          DType[] types =
              add ? new DType[] {kernels.wide()} : new DType[] {kernels.compute(), kernels.wide()};
          for (DType type : types) {
            Tensor actual = forward(kernels, fixture, weights, factors, type, in);
            tolerance.add(
                "inputs " + layer.weight.cols() + ", rank " + layer.rank(),
                size,
                "y",
                new Tensor[] {actual},
                new Tensor[] {expected},
                new double[][] {naive});
          }
        });
    tolerance.verify();
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void backwardIsAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    Kernels reference = Providers.REFERENCE;
    overSizes(
        kernels,
        (fixture, size, rows, layer, add) -> {
          if (!layer.hasBackward()) {
            return;
          }
          Tensor[] in = inputs(fixture, layer, rows, layer.weight.rows(), layer.weight.cols(), add);
          Layer exact = layer.exact(fixture);
          Tensor expected =
              backward(
                  reference,
                  fixture,
                  exact.pack(reference, fixture),
                  exact.packAdapter(reference, fixture),
                  fixture.exact(in));
          double[] naive = naiveBackward(Arithmetic.of(kernels), layer, in);
          Tensor actual =
              backward(
                  kernels,
                  fixture,
                  layer.pack(kernels, fixture),
                  layer.packAdapter(kernels, fixture),
                  in);
          tolerance.add(
              "outputs " + layer.weight.rows() + ", rank " + layer.rank(),
              size,
              "dx",
              new Tensor[] {actual},
              new Tensor[] {expected},
              new double[][] {naive});
        });
    tolerance.verify();
  }

  /** Inputs x, dy and the starts of dWeight and dBias (or null); outputs dWeight, dBias. */
  private static Tensor[] exampleGrad(
      Kernels kernels, Fixture fixture, int from, int to, Tensor... in) {
    Tensor dWeight = fixture.copy(in[2], kernels.wide());
    Tensor dBias = in[3] == null ? null : fixture.copy(in[3], kernels.wide());
    long size = kernels.linear().workspace(in[0].type(), to - from, 1, in[1].cols(), in[0].cols());
    Tensor workspace = fixture.arena().allocate(kernels.wide(), Math.max(1, size)).fill(Double.NaN);
    kernels.linear().exampleGrad(in[0], in[1], from, to, dWeight, workspace);
    if (dBias == null) {
      return new Tensor[] {dWeight};
    }
    kernels.linear().biasExampleGrad(in[1], from, to, dBias);
    return new Tensor[] {dWeight, dBias};
  }

  private static double[][] naiveExampleGrad(Arithmetic a, int from, int to, Tensor... in) {
    int width = (int) in[0].cols();
    int out = (int) in[1].cols();
    double[] dWeight = a.transposedTimes(array(in[1]), array(in[0]), from, to, out, width);
    dWeight = a.plus(array(in[2]), dWeight);
    if (in[3] == null) {
      return new double[][] {dWeight};
    }
    double[] ones = new double[(int) in[0].rows()];
    Arrays.fill(ones, 1);
    double[] dBias = a.transposedTimes(ones, array(in[1]), from, to, 1, out);
    return new double[][] {dWeight, a.plus(array(in[3]), dBias)};
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void exampleGradIsAsExactAsANaiveLoop(Kernels kernels) {
    Tolerance tolerance = new Tolerance();
    overSizes(
        kernels,
        (fixture, size, rows, layer, add) -> {
          Tensor[] in = {
            fixture.compute(rows, layer.weight.cols()),
            fixture.compute(rows, layer.weight.rows()),
            fixture.wide(layer.weight.rows(), layer.weight.cols()),
            layer.bias == null ? null : fixture.wide(layer.weight.rows())
          };
          int from = rows / 3;
          Tensor[] actual = exampleGrad(kernels, fixture, from, rows, in);
          Tensor[] expected =
              exampleGrad(Providers.REFERENCE, fixture, from, rows, fixture.exact(in));
          double[][] naive = naiveExampleGrad(Arithmetic.of(kernels), from, rows, in);
          String names = layer.bias == null ? "dWeight" : "dWeight dBias";
          tolerance.add("inputs " + layer.weight.cols(), size, names, actual, expected, naive);
        });
    tolerance.verify();
  }

  @Test
  void gradientsAgreeWithFiniteDifferences() {
    Kernels kernels = Providers.REFERENCE;
    try (Fixture fixture = new Fixture(kernels, 5)) {
      Layer layer = Layer.of(fixture, 6, 4, true, 0);
      Tensor x = fixture.wide(4, 6);
      Tensor dy = fixture.wide(4, 4);
      LinearWeights weights = layer.pack(kernels, fixture);
      Tensor dx = backward(kernels, fixture, weights, null, dy, null, null);
      Tensor[] zero = {x, dy, fixture.wide(4, 6).fill(0), fixture.wide(4).fill(0)};
      Tensor[] gradients = exampleGrad(kernels, fixture, 0, 4, zero);
      FiniteDifferences.check("dx", () -> loss(fixture, layer, x, dy), x, dx);
      FiniteDifferences.check(
          "dWeight", () -> loss(fixture, layer, x, dy), layer.weight, gradients[0]);
      FiniteDifferences.check("dBias", () -> loss(fixture, layer, x, dy), layer.bias, gradients[1]);
    }
  }

  private static double loss(Fixture fixture, Layer layer, Tensor x, Tensor dy) {
    LinearWeights weights = layer.pack(Providers.REFERENCE, fixture);
    Tensor y = forward(Providers.REFERENCE, fixture, weights, null, DType.F64, x, null, null);
    return FiniteDifferences.inner(y, dy);
  }

  /** The numbers of a model's file start where its header ends. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void weightsMayStartAtAnyByte(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 7)) {
      Tensor x = fixture.compute(3, 18);
      for (DType type : new DType[] {DType.F32, DType.BF16}) {
        Tensor weight = fixture.contiguous(fixture.operand(20, 18), type);
        Tensor bytes = fixture.arena().allocate(DType.U8, 1 + weight.size() * type.bytes());
        Tensor shifted = Tensor.of(bytes.data().asSlice(1), type, 20, 18).copyFrom(weight);
        Tensor[] products = new Tensor[2];
        for (int i = 0; i < 2; i++) {
          Layer layer = new Layer(i == 0 ? weight : shifted, null, null, null);
          LinearWeights weights = layer.pack(kernels, fixture);
          products[i] = forward(kernels, fixture, weights, null, kernels.wide(), x, null, null);
        }
        assertArrayEquals(array(products[0]), array(products[1]), type.toString());
      }
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void rowsAreBatchInvariant(Kernels kernels) {
    try (Fixture own = new Fixture(kernels, 6)) {
      for (int[] size : new int[][] {{172, 53, 8}, {18, 172, 0}, {64, 64, 4}, {576, 1536, 8}}) {
        if (size[0] > 172 && kernels instanceof ReferenceKernels) {
          continue; // It has one loop for all sizes, and takes long.
        }
        Layer layer = Layer.of(own, size[0], size[1], true, size[2]);
        LinearWeights weights = layer.pack(kernels, own);
        LoraFactors factors = layer.packAdapter(kernels, own);
        for (boolean add : new boolean[] {false, true}) {
          Tensor[] forward = inputs(own, layer, 1, size[0], size[1], add);
          Tensor[] backward = inputs(own, layer, 1, size[1], size[0], add);
          Invariance.check(
              kernels,
              1,
              place -> {
                Fixture f = place.fixture();
                Tensor y =
                    forward(kernels, f, weights, factors, kernels.wide(), around(place, forward));
                if (!layer.hasBackward()) {
                  return place.ownBits(y);
                }
                Tensor dx = backward(kernels, f, weights, factors, around(place, backward));
                return place.ownBits(y, dx);
              });
        }
      }
    }
  }

  private static Tensor[] around(Invariance.Placement place, Tensor[] in) {
    Tensor[] placed = new Tensor[in.length];
    for (int i = 0; i < in.length; i++) {
      placed[i] = in[i] == null ? null : place.around(in[i]);
    }
    return placed;
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void exampleGradientsAreBatchInvariant(Kernels kernels) {
    try (Fixture own = new Fixture(kernels, 7)) {
      for (int length : new int[] {1, 2, 3, 17}) {
        Tensor x = own.compute(length, 64);
        Tensor dy = own.compute(length, 53);
        Tensor dWeight = own.wide(53, 64);
        Tensor dBias = own.wide(53);
        Invariance.check(
            kernels,
            length,
            place -> {
              int at = place.at();
              Tensor[] in = {place.around(x), place.around(dy), dWeight, dBias};
              return place.allBits(exampleGrad(kernels, place.fixture(), at, at + length, in));
            });
      }
    }
  }

  /**
   * Of weights of either type, whole panels and what is left of them, none is lost or displaced.
   */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void packedWeightsAreTheWeightsToTheBit(Kernels kernels) {
    for (int[] shape : new int[][] {{32, 64}, {33, 65}, {40, 31}, {70, 99}, {7, 128}}) {
      int out = shape[0];
      int in = shape[1];
      for (DType type : new DType[] {DType.F32, DType.BF16}) {
        try (Fixture fixture = new Fixture(kernels, in)) {
          Tensor weight = fixture.copy(fixture.wide(out, in), type);
          LinearWeights weights = kernels.linear().pack(weight, null, true, fixture.arena());
          Tensor rounded = fixture.copy(weight, kernels.compute());
          Tensor y = fixture.arena().allocate(kernels.wide(), in, out);
          kernels.linear().forward(unit(kernels, fixture, in), weights, null, null, y, false);
          Tensor dx = fixture.arena().allocate(kernels.wide(), out, in);
          kernels.linear().backward(unit(kernels, fixture, out), weights, null, null, dx, false);
          // The reference rounds no weights.
          Tensor expected = kernels instanceof ReferenceKernels ? weight : rounded;
          for (int p = 0; p < out; p++) {
            for (int k = 0; k < in; k++) {
              assertEquals((float) expected.get(p, k), (float) y.get(k, p));
              assertEquals((float) expected.get(p, k), (float) dx.get(p, k));
            }
          }
        }
      }
    }
  }

  private static Tensor unit(Kernels kernels, Fixture fixture, int size) {
    Tensor matrix = fixture.arena().allocate(kernels.compute(), size, size);
    for (int i = 0; i < size; i++) {
      matrix.set(i, i, 1);
    }
    return matrix;
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void weightsOfEveryFloatTypeArePacked(Kernels kernels) {
    for (DType type : new DType[] {DType.F64, DType.F32, DType.BF16, DType.F16}) {
      try (Fixture fixture = new Fixture(kernels, 8)) {
        // Small integers are exact in every type, and so are their sums.
        Tensor weight = fixture.arena().allocate(type, 5, 8);
        Tensor x = fixture.arena().allocate(kernels.compute(), 3, 8);
        for (int i = 0; i < 40; i++) {
          weight.set(i, i % 7 - 3);
          x.set(i % 24, i % 5 - 2);
        }
        LinearWeights weights = kernels.linear().pack(weight, null, false, fixture.arena());
        assertEquals(8, weights.in());
        assertEquals(5, weights.out());
        Tensor y = forward(kernels, fixture, weights, null, kernels.wide(), x, null, null);
        double[] expected =
            new Arithmetic(DType.F64).timesTransposed(array(x), array(weight), 3, 8, 5);
        for (int i = 0; i < expected.length; i++) {
          assertEquals(expected[i], y.get(i), type.name());
        }
      }
    }
  }

  /**
   * To the bit that of weights whose own bias has it; the layer that it came from stays as it was.
   */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void anAddedBiasIsPartOfTheLayers(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 10)) {
      Tensor x = fixture.compute(5, 18);
      Tensor added = fixture.wide(53);
      for (boolean own : new boolean[] {false, true}) {
        Layer layer = Layer.of(fixture, 18, 53, own, 4);
        LinearWeights base = layer.pack(kernels, fixture);
        LoraFactors factors = layer.packAdapter(kernels, fixture);
        Tensor u = fixture.compute(5, 4);
        Tensor before = forward(kernels, fixture, base, factors, kernels.wide(), x, u, null);
        LinearWeights biased = kernels.linear().withBias(base, fixture.arena());
        for (double factor : new double[] {1, -3}) {
          Tensor scaled = fixture.contiguous(added, kernels.wide());
          Tensor sum = fixture.contiguous(added, DType.F64);
          for (long p = 0; p < 53; p++) {
            scaled.set(p, factor * added.get(p));
            sum.set(p, (own ? layer.bias.get(p) : 0) + scaled.get(p));
          }
          kernels.linear().packBias(scaled, biased);
          Layer whole = new Layer(layer.weight, sum, layer.a, layer.b);
          LinearWeights expected = whole.pack(kernels, fixture);
          for (Tensor start : new Tensor[] {null, fixture.wide(5, 53)}) {
            assertArrayEquals(
                array(forward(kernels, fixture, expected, factors, kernels.wide(), x, u, start)),
                array(forward(kernels, fixture, biased, factors, kernels.wide(), x, u, start)));
          }
        }
        Tensor after = forward(kernels, fixture, base, factors, kernels.wide(), x, u, null);
        assertArrayEquals(array(before), array(after));
        Tensor contiguous = fixture.contiguous(added, kernels.wide());
        assertThrows(
            IllegalArgumentException.class, () -> kernels.linear().packBias(contiguous, base));
      }
    }
  }

  /** New values in old memory: the products are those of weights that were packed so. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void repackedWeightsAreLikePackedOnes(Kernels kernels) {
    for (boolean inputMajor : new boolean[] {false, true}) {
      for (boolean bias : new boolean[] {false, true}) {
        try (Fixture fixture = new Fixture(kernels, 12)) {
          Tensor stored = inputMajor ? fixture.wide(19, 53) : fixture.wide(53, 19);
          Tensor transposed = fixture.arena().allocate(kernels.wide(), 53, 19);
          for (long p = 0; p < 53; p++) {
            for (long k = 0; k < 19; k++) {
              transposed.set(p, k, inputMajor ? stored.get(k, p) : stored.get(p, k));
            }
          }
          Tensor flat = fixture.contiguous(stored, kernels.wide());
          Tensor newBias = bias ? fixture.contiguous(fixture.wide(53), kernels.wide()) : null;
          Layer old = Layer.of(fixture, 19, 53, bias, 0);
          LinearWeights repacked =
              kernels.linear().pack(old.weight, old.bias, true, fixture.arena());
          LinearWeights sharing = kernels.linear().withBias(repacked, fixture.arena());
          kernels.linear().repack(flat, inputMajor, newBias, repacked);
          LinearWeights packed = kernels.linear().pack(transposed, newBias, true, fixture.arena());
          Tensor x = fixture.compute(5, 19);
          Tensor dy = fixture.compute(5, 53);
          assertArrayEquals(
              array(forward(kernels, fixture, packed, null, kernels.wide(), x, null, null)),
              array(forward(kernels, fixture, repacked, null, kernels.wide(), x, null, null)));
          assertArrayEquals(
              array(backward(kernels, fixture, packed, null, dy, null, null)),
              array(backward(kernels, fixture, repacked, null, dy, null, null)));
          assertArrayEquals(
              array(backward(kernels, fixture, packed, null, dy, null, null)),
              array(backward(kernels, fixture, sharing, null, dy, null, null)));
          if (!bias) {
            Tensor none = fixture.contiguous(fixture.wide(53), kernels.wide());
            assertThrows(
                IllegalArgumentException.class,
                () -> kernels.linear().repack(flat, inputMajor, none, repacked));
          }
          assertThrows(
              IllegalArgumentException.class,
              () -> kernels.linear().repack(flat, !inputMajor, newBias, repacked));
        }
      }
    }
  }

  /** A frozen matrix beside a trained bias keeps its bits, and the other way round. */
  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void whatIsNotRepackedStaysAsItWas(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 12)) {
      Layer old = Layer.of(fixture, 19, 53, true, 0);
      Tensor weight = fixture.contiguous(fixture.wide(53, 19), kernels.wide());
      Tensor bias = fixture.contiguous(fixture.wide(53), kernels.wide());
      LinearWeights repacked = kernels.linear().pack(old.weight, old.bias, true, fixture.arena());
      Tensor x = fixture.compute(5, 19);
      Tensor dy = fixture.compute(5, 53);
      kernels.linear().repack(null, false, bias, repacked);
      requireSame(kernels, fixture, x, dy, old.weight, bias, repacked);
      kernels.linear().repack(weight, false, null, repacked);
      requireSame(kernels, fixture, x, dy, weight, bias, repacked);
    }
  }

  private static void requireSame(
      Kernels kernels,
      Fixture fixture,
      Tensor x,
      Tensor dy,
      Tensor weight,
      Tensor bias,
      LinearWeights repacked) {
    LinearWeights packed = kernels.linear().pack(weight, bias, true, fixture.arena());
    assertArrayEquals(
        array(forward(kernels, fixture, packed, null, kernels.wide(), x, null, null)),
        array(forward(kernels, fixture, repacked, null, kernels.wide(), x, null, null)));
    assertArrayEquals(
        array(backward(kernels, fixture, packed, null, dy, null, null)),
        array(backward(kernels, fixture, repacked, null, dy, null, null)));
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void backwardNeedsWeightsPackedForIt(Kernels kernels) {
    try (Fixture fixture = new Fixture(kernels, 9)) {
      Tensor weight = fixture.operand(8, 16);
      LinearWeights without = kernels.linear().pack(weight, null, false, fixture.arena());
      assertFalse(without.hasBackward());
      assertTrue(kernels.linear().pack(weight, null, true, fixture.arena()).hasBackward());
      Tensor dy = fixture.compute(2, 8);
      assertThrows(
          RuntimeException.class, () -> backward(kernels, fixture, without, null, dy, null, null));
    }
  }

  @ParameterizedTest
  @MethodSource(Providers.ALL)
  void roundIsToTheNearest(Kernels kernels) {
    for (int rows : Fixture.ROWS) {
      for (int cols : Fixture.OUTER) {
        try (Fixture fixture = new Fixture(kernels, rows, rows % 2 == 0)) {
          Tensor from = fixture.wide(rows, cols);
          Tensor to = fixture.empty(kernels.compute(), rows, cols);
          kernels.linear().round(from, to);
          for (int i = 0; i < from.size(); i++) {
            assertEquals(Tolerance.round(kernels.compute(), from.get(i)), to.get(i));
          }
        }
      }
    }
  }

  /** Enough rows for the reference to split the work over threads, against one row at a time. */
  @Test
  void splittingOverThreadsChangesNoBits() {
    Kernels kernels = Providers.REFERENCE;
    int rows = 33;
    try (Fixture fixture = new Fixture(kernels, 10)) {
      Layer layer = Layer.of(fixture, 576, 172, true, 8);
      LinearWeights weights = layer.pack(kernels, fixture);
      LoraFactors factors = layer.packAdapter(kernels, fixture);
      Tensor[] in = inputs(fixture, layer, rows, 576, 172, true);
      Tensor[] back = inputs(fixture, layer, rows, 172, 576, true);
      Tensor y = forward(kernels, fixture, weights, factors, DType.F64, in);
      Tensor dx = backward(kernels, fixture, weights, factors, back);
      for (int n = 0; n < rows; n++) {
        Tensor alone = forward(kernels, fixture, weights, factors, DType.F64, row(in, n));
        assertArrayEquals(array(alone), array(y.rows(n, 1)));
        alone = backward(kernels, fixture, weights, factors, row(back, n));
        assertArrayEquals(array(alone), array(dx.rows(n, 1)));
      }
    }
  }

  private static Tensor[] row(Tensor[] in, int n) {
    Tensor[] rows = new Tensor[in.length];
    for (int i = 0; i < in.length; i++) {
      rows[i] = in[i].rows(n, 1);
    }
    return rows;
  }
}
