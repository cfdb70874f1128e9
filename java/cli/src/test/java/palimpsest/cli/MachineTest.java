package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachineTest {
  @TempDir private Path proc;

  @Test
  void readsTheKernelsFiles() throws IOException {
    Files.writeString(
        proc.resolve("cpuinfo"),
        """
        processor\t: 0
        model name\t: Some CPU @ 2.0GHz: fast
        flags\t\t: fpu avx2 fma f16c bmi1 bmi2 movbe abm avx512f avx512bw avx512cd avx512dq avx512vl

        processor\t: 1
        model name\t: Other
        """);
    Files.writeString(
        proc.resolve("meminfo"),
        "MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n");
    Machine machine = Machine.read(proc);
    assertEquals("Some CPU @ 2.0GHz: fast", machine.processor());
    assertEquals(2048 * 1024, machine.memoryBytes());
    assertEquals(1024 * 1024, machine.freeMemoryBytes());
    assertEquals(List.of(), machine.missing(Machine.Tier.PORTABLE));
    assertEquals(List.of(), machine.missing(Machine.Tier.AVX512));
    assertEquals(List.of("avx512_bf16"), machine.missing(Machine.Tier.AVX512BF16));
    assertEquals(List.of("avx512_bf16", "amx_tile", "amx_bf16"), machine.missing(Machine.Tier.AMX));
  }

  @Test
  void aMachineThatSaysNothingHasThePortableTier() throws IOException {
    Files.writeString(proc.resolve("cpuinfo"), "");
    Files.writeString(proc.resolve("meminfo"), "");
    Machine machine = Machine.read(proc);
    assertEquals("unknown", machine.processor());
    assertEquals(List.of(), machine.missing(Machine.Tier.PORTABLE));
    assertEquals(7, machine.missing(Machine.Tier.AVX2).size());
  }
}
