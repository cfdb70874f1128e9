package palimpsest.testing;

import java.util.Locale;

/**
 * What the fuzzer's process reports of a format.
 *
 * @param files inputs given to the reader
 * @param accepted those that it read rather than refused
 * @param slowestMillis the longest time for one, of the processor
 */
record FuzzCounts(long files, long accepted, double slowestMillis) {
  /** The counts as a line. */
  String line() {
    return String.format(Locale.ROOT, "%d %d %.3f", files, accepted, slowestMillis);
  }

  /** Reads what {@link #line} wrote. */
  static FuzzCounts of(String line) {
    String[] parts = line.strip().split(" ");
    return new FuzzCounts(
        Long.parseLong(parts[0]), Long.parseLong(parts[1]), Double.parseDouble(parts[2]));
  }
}
