package palimpsest.engine.kernel.cpu;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * What {@code palimpsest test --sanitize} would say if a kernel touched one element beside a
 * tensor: a real kernel is told of one element too many, in a process of its own, and the
 * sanitizers end it. Whole vectors and the rest at a row's end, and a product of matrices with
 * rests on all sides, in every tier.
 */
@Tag("sanitizer")
class SanitizerTest {
  private static final int WHOLE_VECTORS = 32;
  private static final int A_REST = 21;

  /** What is wrong with a call of {@code linear_round}, float to float, and the report's words. */
  enum Fault {
    NONE(WHOLE_VECTORS, 0, 0, ""),
    WRITES_PAST_THE_END(WHOLE_VECTORS, 0, 1, "WRITE of size"),
    WRITES_PAST_THE_END_OF_A_REST(A_REST, 0, 1, "WRITE of size"),
    READS_PAST_THE_END(WHOLE_VECTORS, 1, 0, "READ of size"),
    READS_PAST_THE_END_OF_A_REST(A_REST, 1, 0, "READ of size"),
    WRITES_BEFORE_THE_START(WHOLE_VECTORS, 0, 0, "WRITE of size"),
    READS_A_CLOSED_ARENA(WHOLE_VECTORS, 0, 0, "AddressSanitizer: heap-use-after-free"),
    READS_BETWEEN_ELEMENTS(WHOLE_VECTORS, 0, 0, "load of misaligned address");

    /** Elements the kernel is told of. */
    private final int count;

    /** Elements that are not there. */
    private final int missingFrom;

    private final int missingTo;
    private final String report;

    Fault(int count, int missingFrom, int missingTo, String report) {
      this.count = count;
      this.missingFrom = missingFrom;
      this.missingTo = missingTo;
      this.report = report;
    }
  }

  /** Where one element is missing in a call of {@code linear_forward}, bf16 to float. */
  enum Shortage {
    NONE(""),
    ROWS("READ of size"),
    WEIGHTS("READ of size"),
    RESULTS(" of size");

    private final String report;

    Shortage(String report) {
      this.report = report;
    }

    long of(Shortage operand) {
      return this == operand ? 1 : 0;
    }
  }

  static Stream<Arguments> faults() {
    return inEveryTier(Fault.values());
  }

  static Stream<Arguments> shortages() {
    return inEveryTier(Shortage.values());
  }

  private static Stream<Arguments> inEveryTier(Enum<?>[] faults) {
    return Stream.of(CpuTier.values())
        .filter(CpuLibrary.get()::supports)
        .flatMap(tier -> Stream.of(faults).map(fault -> Arguments.of(tier, fault)));
  }

  @ParameterizedTest
  @MethodSource("faults")
  void aFaultOfOneElementIsReported(CpuTier tier, Fault fault) throws Exception {
    assertReported(Culprit.class, tier, fault, fault.report, "linear_round");
  }

  @ParameterizedTest
  @MethodSource("shortages")
  void anElementThatAProductLacksIsReported(CpuTier tier, Shortage shortage) throws Exception {
    assertReported(Product.class, tier, shortage, shortage.report, "linear_forward");
  }

  private static void assertReported(
      Class<?> program, CpuTier tier, Enum<?> fault, String report, String kernel)
      throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-Dpalimpsest.native=" + System.getProperty("palimpsest.native"),
                "-Dpalimpsest.sanitizer=" + System.getProperty("palimpsest.sanitizer"),
                "-cp",
                System.getProperty("java.class.path"),
                program.getName(),
                tier.name(),
                fault.name())
            .redirectErrorStream(true)
            .start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    int exit = process.waitFor();
    if (report.isEmpty()) {
      assertEquals(0, exit, said);
    } else {
      assertNotEquals(0, exit, said);
      assertTrue(said.contains(report), said);
      assertTrue(said.contains(kernel), said);
    }
  }

  /** The process with the fault. */
  static final class Culprit {
    private Culprit() {}

    public static void main(String[] arguments) throws Throwable {
      Fault fault = Fault.valueOf(arguments[1]);
      MethodHandle round =
          CpuLibrary.get()
              .bind(
                  CpuTier.valueOf(arguments[0]),
                  "linear_round",
                  FunctionDescriptor.of(
                      JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_INT,
                      JAVA_LONG));
      TensorArena arena = new TensorArena();
      TensorArena other = new TensorArena();
      long count = fault.count;
      long from = arena.allocate(DType.F32, count - fault.missingFrom).data().address();
      long to = other.allocate(DType.F32, count - fault.missingTo).data().address();
      switch (fault) {
        case WRITES_BEFORE_THE_START -> to -= Float.BYTES;
        case READS_A_CLOSED_ARENA -> arena.close();
        case READS_BETWEEN_ELEMENTS -> from += Float.BYTES / 2;
        default -> {}
      }
      int status =
          (int)
              round.invokeExact(
                  MemorySegment.ofAddress(from),
                  count,
                  1L,
                  count,
                  MemorySegment.ofAddress(to),
                  0,
                  count);
      System.exit(status);
    }
  }

  /** The process with a product that lacks an element. */
  static final class Product {
    private static final long ROWS = 21;
    private static final long IN = 80;

    private Product() {}

    public static void main(String[] arguments) throws Throwable {
      CpuTier tier = CpuTier.valueOf(arguments[0]);
      Shortage shortage = Shortage.valueOf(arguments[1]);
      long panel = CpuLibrary.get().panelWidth(tier);
      long out = 2 * panel - 3;
      TensorArena arena = new TensorArena();
      Tensor x = arena.allocate(DType.BF16, ROWS * IN - shortage.of(Shortage.ROWS));
      Tensor w = arena.allocate(DType.BF16, 2 * panel * IN - shortage.of(Shortage.WEIGHTS));
      Tensor y = arena.allocate(DType.F32, ROWS * out - shortage.of(Shortage.RESULTS));
      int status;
      try (CpuKernels kernels = new CpuKernels(tier, DType.BF16)) {
        status =
            (int)
                CpuLibrary.get()
                    .bind(tier, "linear_forward", LinearCpu.FORWARD)
                    .invokeExact(
                        x.data(),
                        IN,
                        w.data(),
                        IN,
                        MemorySegment.NULL,
                        0L,
                        MemorySegment.NULL,
                        0L,
                        kernels.typeOf(x),
                        MemorySegment.NULL,
                        1f,
                        ROWS,
                        out,
                        y.data(),
                        kernels.typeOf(y),
                        out,
                        0);
      }
      System.exit(status);
    }
  }
}
