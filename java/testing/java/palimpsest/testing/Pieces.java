package palimpsest.testing;

import java.util.List;

/**
 * All pieces of eight characters of some ASCII texts, to be looked for in others in one pass: eight
 * characters are one number.
 */
final class Pieces {
  private static final int LENGTH = Long.BYTES;

  /** Open addressing; 0 is no piece, since no text holds NUL. */
  private final long[] slots;

  private final int shift;

  Pieces(List<String> texts) {
    int count = texts.stream().mapToInt(text -> Math.max(0, text.length() - LENGTH + 1)).sum();
    int bits = Math.max(4, Integer.SIZE - Integer.numberOfLeadingZeros(4 * count));
    slots = new long[1 << bits];
    shift = Long.SIZE - bits;
    for (String text : texts) {
      long piece = 0;
      for (int i = 0; i < text.length(); i++) {
        if (text.charAt(i) == 0 || text.charAt(i) > 0x7f) {
          throw new IllegalArgumentException("a text to look for must be ASCII without NUL");
        }
        piece = piece << Byte.SIZE | text.charAt(i);
        if (i + 1 >= LENGTH) {
          slots[slot(piece)] = piece;
        }
      }
    }
  }

  /** Whether a piece is in the text. */
  boolean in(String text) {
    long piece = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      // A character that no piece has breaks the run: the zero it leaves is in no piece either.
      piece = c > 0x7f ? 0 : piece << Byte.SIZE | c;
      if (piece != 0 && slots[slot(piece)] == piece) {
        return true;
      }
    }
    return false;
  }

  /** Where a piece is, or the free slot where it would be. */
  private int slot(long piece) {
    int slot = (int) (piece * 0x9e3779b97f4a7c15L >>> shift);
    while (slots[slot] != 0 && slots[slot] != piece) {
      slot = slot + 1 & slots.length - 1;
    }
    return slot;
  }
}
