package palimpsest.synth.text;

import java.util.Arrays;

/**
 * The 256 printable characters that stand for bytes in a byte-level vocabulary (GPT-2's
 * bytes_to_unicode): bytes that print in Latin-1 stand for themselves, the others are U+0100 on, in
 * order.
 */
final class ByteAlphabet {
  private static final char[] CHARACTER = new char[256];
  private static final short[] BYTE = new short[0x100 + 256];

  static {
    Arrays.fill(BYTE, (short) -1);
    int next = 0x100;
    for (int b = 0; b < 256; b++) {
      boolean prints = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
      CHARACTER[b] = (char) (prints ? b : next++);
      BYTE[CHARACTER[b]] = (short) b;
    }
  }

  private ByteAlphabet() {}

  static char character(int unsignedByte) {
    return CHARACTER[unsignedByte];
  }

  /** The vocabulary entry that stands for these bytes, a character a byte. */
  static String spell(byte[] bytes) {
    char[] characters = new char[bytes.length];
    for (int i = 0; i < bytes.length; i++) {
      characters[i] = character(bytes[i] & 0xFF);
    }
    return new String(characters);
  }

  /**
   * Bytes that a vocabulary entry stands for, or null if it has a character outside the alphabet.
   */
  static byte[] bytes(String token) {
    byte[] bytes = new byte[token.length()];
    for (int i = 0; i < bytes.length; i++) {
      char c = token.charAt(i);
      if (c >= BYTE.length || BYTE[c] < 0) {
        return null;
      }
      bytes[i] = (byte) BYTE[c];
    }
    return bytes;
  }
}
