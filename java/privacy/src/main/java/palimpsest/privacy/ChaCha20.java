package palimpsest.privacy;

import static java.lang.Integer.rotateLeft;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The ChaCha20 block function (RFC 8439, section 2.3) as a random-access stream: any block of any
 * (purpose, step) can be computed on its own, so every shard, thread or device makes the part it
 * needs and all of them agree.
 *
 * <p>Block (purpose, step, counter) is ChaCha20 with nonce word 0 = purpose, nonce words 1 and 2 =
 * low and high half of the step, and the 32-bit block counter. A (purpose, step) holds 2^32 blocks
 * of sixteen 32-bit words: 256 GiB.
 */
public final class ChaCha20 {
  /** 32-bit words in a block. */
  public static final int BLOCK_WORDS = 16;

  private static final ValueLayout.OfInt WORD =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private ChaCha20() {}

  /**
   * Writes consecutive blocks of the stream (purpose, step).
   *
   * @param key the secret key
   * @param purpose what the words are for
   * @param step 64-bit step or stream number
   * @param counter number of the first block, as an unsigned 32-bit number
   * @param blocks how many blocks; {@code counter + blocks} must not pass 2^32
   * @param out receives {@code 16 * blocks} words from index 0
   * @throws IllegalArgumentException if the range passes the end of the stream: a counter that
   *     wrapped would repeat words
   */
  public static void blocks(
      SecretKey key, Purpose purpose, long step, int counter, int blocks, int[] out) {
    blocks(key, purpose.word(), step, counter, blocks, out);
  }

  static void blocks(
      SecretKey key, int purposeWord, long step, int counter, int blocks, int[] out) {
    if (blocks < 0 || Integer.toUnsignedLong(counter) + blocks > 1L << 32) {
      throw new IllegalArgumentException(
          "ChaCha20: the block range passes the end of the stream (2^32 blocks a purpose and step)");
    }
    MemorySegment words = key.words();
    for (int b = 0; b < blocks; b++) {
      block(words, counter + b, purposeWord, (int) step, (int) (step >>> 32), out, b * BLOCK_WORDS);
    }
  }

  /** One block. The state lives in local variables so that the compiler keeps it in registers. */
  static void block(
      MemorySegment key, int counter, int nonce0, int nonce1, int nonce2, int[] out, int at) {
    int k0 = key.get(WORD, 0);
    int k1 = key.get(WORD, 4);
    int k2 = key.get(WORD, 8);
    int k3 = key.get(WORD, 12);
    int k4 = key.get(WORD, 16);
    int k5 = key.get(WORD, 20);
    int k6 = key.get(WORD, 24);
    int k7 = key.get(WORD, 28);
    int x0 = 0x61707865;
    int x1 = 0x3320646e;
    int x2 = 0x79622d32;
    int x3 = 0x6b206574;
    int x4 = k0;
    int x5 = k1;
    int x6 = k2;
    int x7 = k3;
    int x8 = k4;
    int x9 = k5;
    int x10 = k6;
    int x11 = k7;
    int x12 = counter;
    int x13 = nonce0;
    int x14 = nonce1;
    int x15 = nonce2;
    for (int round = 0; round < 10; round++) {
      x0 += x4;
      x12 = rotateLeft(x12 ^ x0, 16);
      x8 += x12;
      x4 = rotateLeft(x4 ^ x8, 12);
      x0 += x4;
      x12 = rotateLeft(x12 ^ x0, 8);
      x8 += x12;
      x4 = rotateLeft(x4 ^ x8, 7);

      x1 += x5;
      x13 = rotateLeft(x13 ^ x1, 16);
      x9 += x13;
      x5 = rotateLeft(x5 ^ x9, 12);
      x1 += x5;
      x13 = rotateLeft(x13 ^ x1, 8);
      x9 += x13;
      x5 = rotateLeft(x5 ^ x9, 7);

      x2 += x6;
      x14 = rotateLeft(x14 ^ x2, 16);
      x10 += x14;
      x6 = rotateLeft(x6 ^ x10, 12);
      x2 += x6;
      x14 = rotateLeft(x14 ^ x2, 8);
      x10 += x14;
      x6 = rotateLeft(x6 ^ x10, 7);

      x3 += x7;
      x15 = rotateLeft(x15 ^ x3, 16);
      x11 += x15;
      x7 = rotateLeft(x7 ^ x11, 12);
      x3 += x7;
      x15 = rotateLeft(x15 ^ x3, 8);
      x11 += x15;
      x7 = rotateLeft(x7 ^ x11, 7);

      x0 += x5;
      x15 = rotateLeft(x15 ^ x0, 16);
      x10 += x15;
      x5 = rotateLeft(x5 ^ x10, 12);
      x0 += x5;
      x15 = rotateLeft(x15 ^ x0, 8);
      x10 += x15;
      x5 = rotateLeft(x5 ^ x10, 7);

      x1 += x6;
      x12 = rotateLeft(x12 ^ x1, 16);
      x11 += x12;
      x6 = rotateLeft(x6 ^ x11, 12);
      x1 += x6;
      x12 = rotateLeft(x12 ^ x1, 8);
      x11 += x12;
      x6 = rotateLeft(x6 ^ x11, 7);

      x2 += x7;
      x13 = rotateLeft(x13 ^ x2, 16);
      x8 += x13;
      x7 = rotateLeft(x7 ^ x8, 12);
      x2 += x7;
      x13 = rotateLeft(x13 ^ x2, 8);
      x8 += x13;
      x7 = rotateLeft(x7 ^ x8, 7);

      x3 += x4;
      x14 = rotateLeft(x14 ^ x3, 16);
      x9 += x14;
      x4 = rotateLeft(x4 ^ x9, 12);
      x3 += x4;
      x14 = rotateLeft(x14 ^ x3, 8);
      x9 += x14;
      x4 = rotateLeft(x4 ^ x9, 7);
    }
    out[at] = x0 + 0x61707865;
    out[at + 1] = x1 + 0x3320646e;
    out[at + 2] = x2 + 0x79622d32;
    out[at + 3] = x3 + 0x6b206574;
    out[at + 4] = x4 + k0;
    out[at + 5] = x5 + k1;
    out[at + 6] = x6 + k2;
    out[at + 7] = x7 + k3;
    out[at + 8] = x8 + k4;
    out[at + 9] = x9 + k5;
    out[at + 10] = x10 + k6;
    out[at + 11] = x11 + k7;
    out[at + 12] = x12 + counter;
    out[at + 13] = x13 + nonce0;
    out[at + 14] = x14 + nonce1;
    out[at + 15] = x15 + nonce2;
  }
}
