package palimpsest.testing;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * A file changed as the fuzzer's bytes say, so that most of it stays as it was and the change gets
 * past a reader's first checks. Every script means something; none makes the file much longer than
 * {@value #LONGEST} bytes.
 */
final class FuzzEdits {
  private static final int LONGEST = 1 << 16;

  /** Where readers count, these are the values that go wrong. */
  private static final List<Long> NUMBERS =
      List.of(
          0L,
          1L,
          -1L,
          2L,
          255L,
          65_536L,
          1L << 30,
          (1L << 31) - 1,
          1L << 31,
          1L << 32,
          1L << 53,
          1L << 62,
          Long.MAX_VALUE,
          Long.MIN_VALUE);

  private static final List<String> WORDS =
      List.of(
          "null",
          "true",
          "0.5",
          "-0.0",
          "1e308",
          "1e999",
          "9223372036854775808",
          "[]",
          "{}",
          "\"\"",
          "[[1]]",
          "\\ud800",
          "\\u0000",
          "\n",
          "");

  private final byte[] script;
  private int at;
  private byte[] file;

  private FuzzEdits(byte[] file, byte[] script) {
    this.file = file;
    this.script = script;
  }

  /** The file after all edits of the script. */
  static byte[] apply(byte[] file, byte[] script) {
    FuzzEdits edits = new FuzzEdits(file, script);
    while (edits.at < script.length && edits.file.length < LONGEST) {
      edits.next();
    }
    return edits.file;
  }

  private void next() {
    int kind = one() % 8;
    int place = place();
    switch (kind) {
      case 0 -> replace(place, place + 1, take(1));
      case 1 -> replace(place, place, take(one() % 16));
      case 2 -> replace(place, place + one(), new byte[0]);
      case 3 -> {
        int from = place();
        replace(place, place, Arrays.copyOfRange(file, from, Math.min(file.length, from + one())));
      }
      case 4 -> replaceWord(place, wordAt(place()));
      case 5 -> replaceWord(place, text(WORDS.get(one() % WORDS.size())));
      case 6 -> replaceWord(place, text(Long.toString(number())));
      default -> replaceBytes(place, number(), one() % 2 == 0 ? Integer.BYTES : Long.BYTES);
    }
  }

  /** The next byte of the script, 0 to 255; 0 behind its end. */
  private int one() {
    return at < script.length ? script[at++] & 0xff : 0;
  }

  private int place() {
    return (one() << 8 | one()) % (file.length + 1);
  }

  private byte[] take(int count) {
    byte[] taken = new byte[count];
    for (int i = 0; i < count; i++) {
      taken[i] = (byte) one();
    }
    return taken;
  }

  private long number() {
    return NUMBERS.get(one() % NUMBERS.size());
  }

  private static byte[] text(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private void replaceWord(int place, byte[] with) {
    replace(wordStart(place), wordEnd(place), with);
  }

  private byte[] wordAt(int place) {
    return Arrays.copyOfRange(file, wordStart(place), wordEnd(place));
  }

  private int wordStart(int place) {
    int start = place;
    while (start > 0 && isWord(file[start - 1])) {
      start--;
    }
    return start;
  }

  private int wordEnd(int place) {
    int end = place;
    while (end < file.length && isWord(file[end])) {
      end++;
    }
    return end;
  }

  private static boolean isWord(byte b) {
    return b < 0 || Character.isLetterOrDigit(b) || b == '_' || b == '.' || b == '-';
  }

  /** Little-endian. */
  private void replaceBytes(int place, long value, int width) {
    byte[] bytes = new byte[width];
    for (int i = 0; i < width; i++) {
      bytes[i] = (byte) (value >> 8 * i);
    }
    replace(place, place + width, bytes);
  }

  private void replace(int from, int to, byte[] with) {
    int rest = Math.min(to, file.length);
    byte[] changed = Arrays.copyOf(file, from + with.length + file.length - rest);
    System.arraycopy(with, 0, changed, from, with.length);
    System.arraycopy(file, rest, changed, from + with.length, file.length - rest);
    file = changed;
  }
}
