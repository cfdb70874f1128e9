package palimpsest.testing;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/**
 * Gives files to a reader and demands of each: it is read or refused by a documented exception with
 * a message of one line, within a second of the processor's time (the machine may be busy with
 * something else besides); nothing is printed or logged; and no eight characters of a secret are in
 * what comes out.
 */
public final class FuzzCheck implements AutoCloseable {
  private static final int LONGEST_MESSAGE = 2000;
  private static final long LIMIT_NANOS = 1_000_000_000L;
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private final FuzzFormat format;
  private final Pieces pieces;
  private final ByteArrayOutputStream printed = new ByteArrayOutputStream();
  private final PrintStream printer = new PrintStream(printed, true, StandardCharsets.UTF_8);
  private final Handler logs = new Logs();
  private long files;
  private long accepted;
  private long slowestNanos;

  public FuzzCheck(FuzzFormat format) {
    this.format = format;
    pieces = new Pieces(format.secrets());
    Logger.getLogger("").addHandler(logs);
  }

  /** What is logged counts as printed. */
  private final class Logs extends Handler {
    @Override
    public void publish(LogRecord entry) {
      printer.println(entry.getMessage());
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }

  /** How many files were given. */
  public long files() {
    return files;
  }

  /** How many of them were read, not refused. */
  public long accepted() {
    return accepted;
  }

  /** The longest time for one file, of the processor. */
  public double slowestMillis() {
    return slowestNanos / 1e6;
  }

  /**
   * Gives one file to the reader. Whatever it throws that is no refusal comes through. A slow one
   * is read once more, for the first file of all waits for classes to be loaded and instrumented.
   *
   * @throws AssertionError if it breaks one of the rules
   */
  public void accept(byte[] file) throws IOException {
    files++;
    long start = THREADS.getCurrentThreadCpuTime();
    accepted += read(file) ? 1 : 0;
    long nanos = THREADS.getCurrentThreadCpuTime() - start;
    if (nanos > LIMIT_NANOS) {
      start = THREADS.getCurrentThreadCpuTime();
      read(file);
      nanos = THREADS.getCurrentThreadCpuTime() - start;
    }
    slowestNanos = Math.max(slowestNanos, nanos);
    demand(nanos <= LIMIT_NANOS, "one file takes " + nanos / 1_000_000 + " ms");
  }

  /** Whether the file was read, not refused. */
  private boolean read(byte[] file) throws IOException {
    PrintStream out = System.out;
    PrintStream err = System.err;
    System.setOut(printer);
    System.setErr(printer);
    try {
      requireSilence(String.valueOf(format.reader().read(file)));
      return true;
    } catch (RuntimeException e) {
      if (!format.refusals().contains(e.getClass())) {
        throw e;
      }
      requireOneLine(e);
      for (Throwable cause = e; cause != null; cause = cause.getCause()) {
        requireSilence(String.valueOf(cause.getMessage()));
      }
      return false;
    } finally {
      System.setOut(out);
      System.setErr(err);
      requireNothingPrinted();
    }
  }

  private void requireOneLine(RuntimeException refusal) {
    String message = refusal.getMessage();
    demand(message != null && !message.isBlank(), "a refusal says nothing");
    demand(message.chars().noneMatch(Character::isISOControl), "a refusal is not one line");
    demand(message.length() <= LONGEST_MESSAGE, "a refusal is " + message.length() + " long");
  }

  private void requireSilence(String shown) {
    demand(!pieces.in(shown), "a piece of a secret comes out");
  }

  private void requireNothingPrinted() {
    int size = printed.size();
    printed.reset();
    demand(size == 0, size + " bytes are printed");
  }

  private void demand(boolean condition, String fault) {
    if (!condition) {
      throw new AssertionError(format.name() + ": " + fault);
    }
  }

  @Override
  public void close() {
    Logger.getLogger("").removeHandler(logs);
  }
}
