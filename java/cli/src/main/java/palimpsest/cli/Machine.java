package palimpsest.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Processor and memory as Linux describes them.
 *
 * @param flags the processor's features by their names in /proc/cpuinfo
 */
record Machine(String processor, Set<String> flags, long memoryBytes, long freeMemoryBytes) {
  /** The instruction-set tiers for which the native kernels are compiled, lowest first. */
  enum Tier {
    PORTABLE(List.of()),
    AVX2(PORTABLE.and("avx2", "fma", "f16c", "bmi1", "bmi2", "movbe", "abm")),
    AVX512(AVX2.and("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")),
    AVX512BF16(AVX512.and("avx512_bf16")),
    AMX(AVX512BF16.and("amx_tile", "amx_bf16"));

    private final List<String> needs;

    Tier(List<String> needs) {
      this.needs = needs;
    }

    private List<String> and(String... more) {
      return Stream.concat(needs.stream(), Stream.of(more)).toList();
    }
  }

  /** The features that {@code tier} needs and this processor lacks. */
  List<String> missing(Tier tier) {
    return tier.needs.stream().filter(need -> !flags.contains(need)).toList();
  }

  /**
   * @param proc the folder /proc or a copy of its files cpuinfo and meminfo
   */
  static Machine read(Path proc) throws IOException {
    List<String> cpu = Files.readAllLines(proc.resolve("cpuinfo"));
    List<String> memory = Files.readAllLines(proc.resolve("meminfo"));
    return new Machine(
        field(cpu, "model name", "unknown"),
        Set.of(field(cpu, "flags", "").split(" ")),
        kibibytes(memory, "MemTotal"),
        kibibytes(memory, "MemAvailable"));
  }

  private static long kibibytes(List<String> lines, String key) {
    return 1024 * Long.parseLong(field(lines, key, "0 kB").split(" ")[0]);
  }

  private static String field(List<String> lines, String key, String otherwise) {
    return lines.stream()
        .filter(line -> line.substring(0, Math.max(0, line.indexOf(':'))).strip().equals(key))
        .findFirst()
        .map(line -> line.substring(line.indexOf(':') + 1).strip())
        .orElse(otherwise);
  }
}
