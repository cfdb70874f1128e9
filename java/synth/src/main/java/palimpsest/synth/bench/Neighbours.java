package palimpsest.synth.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * How much of the processor other processes use, from Linux's counters. What a host takes from a
 * virtual machine does not show here; the {@link PeakProbe} sees that.
 */
final class Neighbours {
  /** Ticks of Linux's counters a second, fixed by its interface to programs. */
  private static final double TICKS = 100;

  private static final int IDLE = 3;
  private static final int IO_WAIT = 4;
  private static final int COUNTED = 8;

  /** Fields of /proc/self/stat after the name: utime and stime are the 12th and 13th of them. */
  private static final int USER_TIME = 11;

  private final Path proc;
  private double startBusy;
  private double startOwn;
  private long startNanos;

  /**
   * @param proc /proc, or a copy of its files stat and self/stat
   */
  Neighbours(Path proc) {
    this.proc = proc;
  }

  /** Begins an interval. */
  void start() {
    startBusy = busy();
    startOwn = own();
    startNanos = System.nanoTime();
  }

  /** Cores that others kept busy on average since {@link #start}. */
  double cores() {
    double seconds = (System.nanoTime() - startNanos) / 1e9;
    return Math.max(0, (busy() - startBusy - (own() - startOwn)) / Math.max(seconds, 1 / TICKS));
  }

  /** Seconds in which any core ran anything, since boot. */
  private double busy() {
    String[] fields = read("stat").lines().findFirst().orElse("").trim().split("\\s+");
    double ticks = 0;
    for (int i = 0; i < COUNTED && i + 1 < fields.length; i++) {
      if (i != IDLE && i != IO_WAIT) {
        ticks += Double.parseDouble(fields[i + 1]);
      }
    }
    return ticks / TICKS;
  }

  /** Seconds of processor time of this process. */
  private double own() {
    String stat = read("self/stat");
    String[] fields = stat.substring(stat.lastIndexOf(')') + 1).trim().split("\\s+");
    return (Double.parseDouble(fields[USER_TIME]) + Double.parseDouble(fields[USER_TIME + 1]))
        / TICKS;
  }

  private String read(String file) {
    try {
      return Files.readString(proc.resolve(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
