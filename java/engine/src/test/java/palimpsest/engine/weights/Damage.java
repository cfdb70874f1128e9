package palimpsest.engine.weights;

import java.util.Arrays;
import java.util.Random;

/** Random damage to a file's bytes, for tests of parsers. */
public final class Damage {
  private Damage() {}

  /**
   * One to four changes, most of them in the first {@code head} bytes: a byte set, a bit flipped, a
   * digit or bracket put in, a stretch repeated or cut out, the end cut off.
   */
  public static byte[] apply(byte[] good, int head, Random random) {
    byte[] bytes = good.clone();
    for (int i = random.nextInt(4); i >= 0 && bytes.length > 0; i--) {
      int at = random.nextInt(Math.min(head, bytes.length));
      switch (random.nextInt(6)) {
        case 0 -> bytes[at] = (byte) random.nextInt(256);
        case 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 2 -> bytes[at] = (byte) "0123456789-{}[]\",:".charAt(random.nextInt(18));
        case 3 -> bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length + 1));
        case 4 -> bytes = splice(bytes, at, 0, random.nextInt(1, 9));
        default -> bytes = splice(bytes, at, random.nextInt(1, 9), 0);
      }
    }
    return bytes;
  }

  /** Cuts {@code cut} bytes at {@code at}, or repeats the {@code again} bytes that start there. */
  private static byte[] splice(byte[] bytes, int at, int cut, int again) {
    int stretch = Math.min(again, bytes.length - at);
    int rest = Math.min(bytes.length, at + cut);
    byte[] result = Arrays.copyOf(bytes, at + stretch + bytes.length - rest);
    System.arraycopy(bytes, at, result, at, stretch);
    System.arraycopy(bytes, rest, result, at + stretch, bytes.length - rest);
    return result;
  }
}
