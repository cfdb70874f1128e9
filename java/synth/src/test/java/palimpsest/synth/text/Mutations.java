package palimpsest.synth.text;

import java.util.Arrays;
import java.util.Random;

/**
 * Random damage to a file: bytes changed, dropped, doubled, cut off or swapped for hostile ones.
 */
final class Mutations {
  private static final byte[] HOSTILE = {
    0, '"', '\'', '\\', '\n', '\r', ',', '\t', '{', ']', -1, -30
  };

  private Mutations() {}

  static byte[] of(byte[] original, Random random) {
    byte[] bytes = original.clone();
    int changes = 1 + random.nextInt(4);
    for (int i = 0; i < changes && bytes.length > 2; i++) {
      bytes = change(bytes, random);
    }
    return bytes;
  }

  private static byte[] change(byte[] bytes, Random random) {
    int at = random.nextInt(bytes.length);
    int end = Math.min(bytes.length, at + 1 + random.nextInt(20));
    switch (random.nextInt(5)) {
      case 0 -> bytes[at] = (byte) random.nextInt(256);
      case 1 -> bytes[at] = HOSTILE[random.nextInt(HOSTILE.length)];
      case 2 -> {
        return Arrays.copyOf(bytes, at);
      }
      case 3 -> {
        byte[] shorter = Arrays.copyOf(bytes, bytes.length - (end - at));
        System.arraycopy(bytes, end, shorter, at, bytes.length - end);
        return shorter;
      }
      default -> {
        byte[] longer = Arrays.copyOf(bytes, bytes.length + (end - at));
        System.arraycopy(bytes, at, longer, end, bytes.length - at);
        return longer;
      }
    }
    return bytes;
  }
}
