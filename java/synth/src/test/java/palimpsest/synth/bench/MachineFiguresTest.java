package palimpsest.synth.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MachineFiguresTest {
  @TempDir private Path proc;

  private void write(long user, long idle, long own) throws IOException {
    Files.createDirectories(proc.resolve("self"));
    Files.writeString(
        proc.resolve("stat"),
        "cpu  " + user + " 0 50 " + idle + " 7 0 3 0 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n");
    Files.writeString(
        proc.resolve("self/stat"),
        "12 (a name) with) S 1 2 3 4 5 6 7 8 9 10 " + own + " 40 0 0 20 0\n");
  }

  @Test
  void whatOthersUseIsAllThatIsBusyWithoutOneself() throws Exception {
    write(1000, 5000, 100);
    Neighbours neighbours = new Neighbours(proc);
    neighbours.start();
    long start = System.nanoTime();
    Thread.sleep(100);
    write(1050, 9000, 130);
    double seconds = (System.nanoTime() - start) / 1e9;
    // Half a second busy in all, 0.3 of it ours.
    assertEquals(0.2 / seconds, neighbours.cores(), 0.2 * 0.2 / seconds);
  }

  @Test
  void peakMemoryIsTheHighWaterMark() {
    assertEquals(
        1.024, PeakMemory.megabytes("VmPeak:\t 9 kB\nVmHWM:\t    1000 kB\n").orElseThrow(), 1e-9);
    assertTrue(PeakMemory.megabytes("VmPeak: 9 kB").isEmpty());
    assertTrue(PeakMemory.megabytes().orElseThrow() > 10);
  }
}
