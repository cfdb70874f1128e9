package palimpsest.synth.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalDouble;

/** The most memory that this process ever held, as Linux counts it. */
final class PeakMemory {
  private static final Path STATUS = Path.of("/proc/self/status");
  private static final String KEY = "VmHWM:";

  private PeakMemory() {}

  /** In megabytes (10^6 bytes), or nothing where the system does not say. */
  static OptionalDouble megabytes() {
    try {
      return megabytes(Files.readString(STATUS));
    } catch (IOException e) {
      return OptionalDouble.empty();
    }
  }

  static OptionalDouble megabytes(String status) {
    return status
        .lines()
        .filter(line -> line.startsWith(KEY))
        .mapToDouble(line ->
            1024 * Double.parseDouble(line.substring(KEY.length()).replace("kB", "").strip()) / 1e6)
        .findFirst();
  }
}
