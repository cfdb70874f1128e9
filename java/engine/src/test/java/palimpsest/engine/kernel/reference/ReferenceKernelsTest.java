package palimpsest.engine.kernel.reference;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.math.BigInteger;
import java.util.Random;
import org.junit.jupiter.api.Test;
import palimpsest.engine.kernel.Clip;
import palimpsest.engine.kernel.LinearWeights;
import palimpsest.engine.kernel.LoraFactors;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

class ReferenceKernelsTest {
  /** A packed form that is not this provider's. */
  private record Foreign(int rank, long in, long out, boolean hasBackward)
      implements LinearWeights, LoraFactors {}

  @Test
  void onlyTheStatedTypesAreStored() {
    assertThrows(
        IllegalArgumentException.class, () -> new ReferenceKernels(DType.F16, DType.F32).close());
    assertThrows(
        IllegalArgumentException.class, () -> new ReferenceKernels(DType.BF16, DType.BF16).close());
  }

  @Test
  void packedFormsOfOtherProvidersAreRefused() {
    Foreign foreign = new Foreign(2, 4, 4, true);
    try (ReferenceKernels kernels = new ReferenceKernels();
        TensorArena arena = new TensorArena()) {
      Tensor x = arena.allocate(DType.F64, 3, 4);
      Tensor u = arena.allocate(DType.F64, 3, 2);
      assertThrows(
          IllegalArgumentException.class,
          () -> kernels.linear().forward(x, foreign, null, null, x, false));
      assertThrows(IllegalArgumentException.class, () -> kernels.lora().forward(x, foreign, u));
    }
  }

  @Test
  void anAdapterOfAnotherLayersShapeIsRefused() {
    try (ReferenceKernels kernels = new ReferenceKernels();
        TensorArena arena = new TensorArena()) {
      Tensor x = arena.allocate(DType.F64, 3, 4);
      Tensor u = arena.allocate(DType.F64, 3, 2);
      Tensor square = arena.allocate(DType.F64, 4, 4);
      LinearWeights weights = kernels.linear().pack(square, null, true, arena);
      LoraFactors factors = kernels.lora().allocate(2, 4, 5, arena);
      assertThrows(
          IllegalArgumentException.class,
          () -> kernels.linear().forward(x, weights, u, factors, x, false));
      assertThrows(
          IllegalArgumentException.class,
          () -> kernels.linear().forward(x, weights, u, null, x, false));
    }
  }

  @Test
  void theRootRoundsUpExactlyOverTheWholeRange() {
    Random random = new Random(1);
    for (int trial = 0; trial < 100_000; trial++) {
      long root = random.nextLong(1L << 30) + 1;
      for (long n : new long[] {root * root - 1, root * root, root * root + 1}) {
        if (n <= 1L << 60) {
          assertEquals(n <= root * root ? root : root + 1, ceiling(n), "n = " + n);
        }
      }
    }
    assertEquals(0, Clip.ceilSqrt(0));
    assertEquals(1L << 30, Clip.ceilSqrt(1L << 60));
  }

  /** The kernel's answer, which must be that of unbounded integers too. */
  private static long ceiling(long n) {
    BigInteger[] root = BigInteger.valueOf(n).sqrtAndRemainder();
    long exact = root[0].longValue() + root[1].signum();
    assertEquals(exact, Clip.ceilSqrt(n));
    return exact;
  }
}
