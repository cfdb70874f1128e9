package palimpsest.synth.text;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * What a file is by its first bytes, where it is not the text that its name promises: a hint for
 * its owner. A private run asks it of a header line alone, since a record's own bytes must not
 * decide whether the run starts.
 */
final class MagicBytes {
  private static final String NOT_TEXT =
      "is a zip or parquet file; write the records as CSV, TSV or JSON lines";
  private static final String UTF_16 = "is UTF-16; save it as UTF-8";

  /**
   * @param start first bytes of such a file
   * @param hint what to tell the owner after the file's name
   */
  private record Magic(List<Integer> start, String hint) {}

  // A column may be called PAR1: what follows in a parquet file is a field mark of its first page.
  private static final List<Magic> KNOWN =
      List.of(
          new Magic(List.of(0x50, 0x4B, 0x03, 0x04), NOT_TEXT),
          new Magic(List.of(0x50, 0x41, 0x52, 0x31, 0x15), NOT_TEXT),
          new Magic(List.of(0xFF, 0xFE), UTF_16),
          new Magic(List.of(0xFE, 0xFF), UTF_16),
          new Magic(List.of(0x1F, 0x8B), "is gzip though its name does not say so; add .gz"));

  /** Bytes that are enough to tell. */
  static final int LENGTH = 5;

  private MagicBytes() {}

  /** The hint for a file that starts with {@code head}, if there is one. */
  static Optional<String> hint(byte[] head) {
    return KNOWN.stream()
        .filter(magic -> startsWith(head, magic.start()))
        .map(Magic::hint)
        .findFirst();
  }

  private static boolean startsWith(byte[] head, List<Integer> start) {
    byte[] wanted = new byte[start.size()];
    for (int i = 0; i < wanted.length; i++) {
      wanted[i] = start.get(i).byteValue();
    }
    return head.length >= wanted.length
        && Arrays.equals(head, 0, wanted.length, wanted, 0, wanted.length);
  }
}
