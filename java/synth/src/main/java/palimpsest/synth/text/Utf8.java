package palimpsest.synth.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** UTF-8 in and out, total on any input: what is broken becomes U+FFFD. */
final class Utf8 {
  static final byte[] REPLACEMENT = {(byte) 0xEF, (byte) 0xBF, (byte) 0xBD};

  private Utf8() {}

  /**
   * UTF-8 bytes of a string; a surrogate without its partner becomes U+FFFD (Java's own is '?').
   */
  static byte[] encode(String text) {
    try {
      ByteBuffer bytes =
          StandardCharsets.UTF_8
              .newEncoder()
              .onMalformedInput(CodingErrorAction.REPLACE)
              .replaceWith(REPLACEMENT)
              .encode(CharBuffer.wrap(text));
      return Arrays.copyOf(bytes.array(), bytes.limit());
    } catch (CharacterCodingException impossible) {
      throw new AssertionError(impossible);
    }
  }

  static String decode(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** The same array if it is valid UTF-8, else a repaired copy. */
  static byte[] repair(byte[] bytes) {
    return isValid(bytes) ? bytes : decode(bytes).getBytes(StandardCharsets.UTF_8);
  }

  static boolean isValid(byte[] bytes) {
    int i = 0;
    while (i < bytes.length) {
      int length = validLength(bytes, i);
      if (length == 0) {
        return false;
      }
      i += length;
    }
    return true;
  }

  /** Length 1..4 of the well-formed sequence at {@code i} (Unicode table 3-7), or 0. */
  private static int validLength(byte[] b, int i) {
    int first = b[i] & 0xFF;
    if (first < 0x80) {
      return 1;
    }
    if (first < 0xC2 || first > 0xF4) {
      return 0;
    }
    int length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (i + length > b.length) {
      return 0;
    }
    int second = b[i + 1] & 0xFF;
    int low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    int high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (second < low || second > high) {
      return 0;
    }
    for (int k = 2; k < length; k++) {
      if ((b[i + k] & 0xC0) != 0x80) {
        return 0;
      }
    }
    return length;
  }

  /** Number of bytes of the sequence that {@code first} opens; the text is known to be valid. */
  static int length(byte first) {
    int b = first & 0xFF;
    return b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
  }

  /** Code point at {@code i} of valid UTF-8. */
  static int codePoint(byte[] b, int i) {
    int first = b[i];
    if (first >= 0) {
      return first;
    }
    int second = b[i + 1] & 0x3F;
    if ((first & 0xE0) == 0xC0) {
      return (first & 0x1F) << 6 | second;
    }
    int third = b[i + 2] & 0x3F;
    if ((first & 0xF0) == 0xE0) {
      return (first & 0x0F) << 12 | second << 6 | third;
    }
    return (first & 0x07) << 18 | second << 12 | third << 6 | (b[i + 3] & 0x3F);
  }

  /** Largest cut point at or below {@code limit} that does not split a character of valid UTF-8. */
  static int floor(byte[] b, int limit) {
    if (limit >= b.length) {
      return b.length;
    }
    int cut = limit;
    while (cut > 0 && (b[cut] & 0xC0) == 0x80) {
      cut--;
    }
    return cut;
  }

  /** A copy of the first {@code size} bytes without ASCII white space at both ends. */
  static byte[] strip(byte[] text, int size) {
    int from = 0;
    int to = size;
    while (from < to && isBlank(text[from])) {
      from++;
    }
    while (to > from && isBlank(text[to - 1])) {
      to--;
    }
    return Arrays.copyOfRange(text, from, to);
  }

  private static boolean isBlank(byte b) {
    return b == ' ' || b >= '\t' && b <= '\r';
  }

  /** The bytes without a character that the end cuts off, if there is one. */
  static byte[] withoutOpenEnd(byte[] bytes) {
    for (int back = 1; back <= Math.min(3, bytes.length); back++) {
      int at = bytes.length - back;
      if ((bytes[at] & 0xC0) != 0x80) {
        boolean open = bytes[at] < 0 && validLength(bytes, at) == 0 && length(bytes[at]) > back;
        return open ? Arrays.copyOf(bytes, at) : bytes;
      }
    }
    return bytes;
  }
}
