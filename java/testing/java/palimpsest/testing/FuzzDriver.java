package palimpsest.testing;

import java.io.IOException;
import java.lang.reflect.Constructor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * What the fuzzer Jazzer calls: one format of one class of {@link FuzzTests}.
 *
 * <p>The first byte of an input tells what the others are: even, a file; odd, edits of a seed.
 */
public final class FuzzDriver {
  private static final String COUNTS = "counts";
  private static final String FAULT = "file";

  private static List<byte[]> seeds;
  private static FuzzCheck check;

  private FuzzDriver() {}

  /**
   * Called once.
   *
   * @param arguments a class of {@link FuzzTests}, a format
   */
  public static void fuzzerInitialize(String[] arguments)
      throws IOException, ReflectiveOperationException {
    FuzzFormat format =
        tests(arguments[0]).formats().stream()
            .filter(candidate -> candidate.name().equals(arguments[1]))
            .findFirst()
            .orElseThrow();
    seeds = format.seeds();
    try (FuzzCheck first = new FuzzCheck(format)) {
      // Classes are loaded and instrumented here, where no clock runs.
      for (byte[] seed : seeds) {
        first.accept(seed);
      }
    }
    check = new FuzzCheck(format);
  }

  /** Called for every input. A file that shows a fault is left in the working directory. */
  public static void fuzzerTestOneInput(byte[] input) throws IOException {
    byte[] file = file(input, seeds);
    try {
      check.accept(file);
    } catch (Throwable e) {
      Files.write(Path.of(FAULT), file);
      throw e;
    }
  }

  /** Called at the end, whether or not a fault was found: leaves the counts there too. */
  public static void fuzzerTearDown() throws IOException {
    FuzzCounts counts = new FuzzCounts(check.files(), check.accepted(), check.slowestMillis());
    Files.writeString(Path.of(COUNTS), counts.line());
  }

  /** The file that an input stands for. */
  static byte[] file(byte[] input, List<byte[]> seeds) {
    if (input.length == 0) {
      return input;
    }
    byte[] rest = Arrays.copyOfRange(input, 1, input.length);
    int first = input[0] & 0xff;
    return first % 2 == 0 ? rest : FuzzEdits.apply(seeds.get(first / 2 % seeds.size()), rest);
  }

  /** The inputs that stand for a seed: itself, and it without any edit. */
  static List<byte[]> inputs(List<byte[]> seeds, int seed) {
    byte[] file = seeds.get(seed);
    byte[] whole = new byte[1 + file.length];
    System.arraycopy(file, 0, whole, 1, file.length);
    return List.of(whole, new byte[] {(byte) (2 * seed + 1)});
  }

  /** What a run in that directory has counted, if it came to its end. */
  static Optional<FuzzCounts> counts(Path folder) throws IOException {
    Path file = folder.resolve(COUNTS);
    return Files.exists(file)
        ? Optional.of(FuzzCounts.of(Files.readString(file)))
        : Optional.empty();
  }

  /** An object of that class. */
  static FuzzTests tests(String name) throws ReflectiveOperationException {
    Constructor<?> constructor = Class.forName(name).getDeclaredConstructor();
    constructor.setAccessible(true);
    return (FuzzTests) constructor.newInstance();
  }
}
