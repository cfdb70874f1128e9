package palimpsest.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * The formats of a package, for the fuzzer ({@link FuzzRun}); as an ordinary test their seeds alone
 * are read. Subclasses are named {@code ...FuzzTest} and have a constructor without parameters.
 */
public abstract class FuzzTests {
  /** For the files that readers want on a disk. */
  protected final Path folder;

  protected FuzzTests() throws IOException {
    folder = Files.createTempDirectory("fuzz");
  }

  /** The formats; their readers may use {@link #folder}. */
  protected abstract List<FuzzFormat> formats() throws IOException;

  /** A safetensors file: the header behind its length, then the numbers. */
  protected static byte[] safetensors(byte[] header, byte[] numbers) {
    return ByteBuffer.allocate(Long.BYTES + header.length + numbers.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(header.length)
        .put(header)
        .put(numbers)
        .array();
  }

  /** The header of a safetensors file. */
  protected static byte[] header(byte[] safetensors) {
    return Arrays.copyOfRange(safetensors, Long.BYTES, endOfHeader(safetensors));
  }

  /** The numbers of a safetensors file. */
  protected static byte[] numbers(byte[] safetensors) {
    return Arrays.copyOfRange(safetensors, endOfHeader(safetensors), safetensors.length);
  }

  private static int endOfHeader(byte[] safetensors) {
    ByteBuffer bytes = ByteBuffer.wrap(safetensors).order(ByteOrder.LITTLE_ENDIAN);
    return Long.BYTES + Math.toIntExact(bytes.getLong());
  }

  @TestFactory
  Stream<DynamicTest> seedsAreReadOrRefused() throws IOException {
    return formats().stream()
        .map(format -> DynamicTest.dynamicTest(format.name(), () -> readSeeds(format)));
  }

  private static void readSeeds(FuzzFormat format) throws IOException {
    try (FuzzCheck check = new FuzzCheck(format)) {
      check.accept(format.seeds().getFirst());
      assertEquals(1, check.accepted(), "the first seed is a valid file");
      for (byte[] seed : format.seeds()) {
        check.accept(seed);
      }
    }
  }

  /** Removes {@link #folder}. */
  @AfterEach
  void removeFolder() throws IOException {
    remove(folder);
  }

  /** Removes a folder with all it holds; none is no error. */
  static void remove(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
