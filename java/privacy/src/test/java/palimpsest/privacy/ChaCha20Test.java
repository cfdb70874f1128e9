package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class ChaCha20Test {
  private static int[] words(String hex) {
    byte[] bytes = HexFormat.of().parseHex(hex.replaceAll("[^0-9a-f]", ""));
    int[] words = new int[bytes.length / 4];
    for (int i = 0; i < bytes.length; i++) {
      words[i / 4] |= (bytes[i] & 0xff) << 8 * (i % 4);
    }
    return words;
  }

  private static int[] block(byte[] key, int counter, int nonce0, int nonce1, int nonce2) {
    int[] out = new int[16];
    try (SecretKey secret = SecretKey.insecureOf(key)) {
      ChaCha20.block(secret.words(), counter, nonce0, nonce1, nonce2, out, 0);
    }
    return out;
  }

  private static byte[] countingKey() {
    byte[] key = new byte[32];
    for (int i = 0; i < 32; i++) {
      key[i] = (byte) i;
    }
    return key;
  }

  @Test
  void rfc8439Section232() {
    int[] expected = {
      0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3,
      0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
      0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
      0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2
    };
    assertArrayEquals(expected, block(countingKey(), 1, 0x09000000, 0x4a000000, 0));
  }

  @Test
  void rfc8439AppendixA1() {
    byte[] zero = new byte[32];
    assertArrayEquals(
        words(
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
                + "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"),
        block(zero, 0, 0, 0, 0));
    assertArrayEquals(
        words(
            "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
                + "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"),
        block(zero, 1, 0, 0, 0));
    byte[] lastBit = new byte[32];
    lastBit[31] = 1;
    assertArrayEquals(
        words(
            "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
                + "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"),
        block(lastBit, 1, 0, 0, 0));
    byte[] second = new byte[32];
    second[1] = (byte) 0xff;
    assertArrayEquals(
        words(
            "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
                + "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"),
        block(second, 2, 0, 0, 0));
    assertArrayEquals(
        words(
            "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
                + "8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d"),
        block(zero, 0, 0, 0, 0x02000000));
  }

  @Test
  void aStreamIsPurposeThenStepThenCounter() {
    int[] out = new int[48];
    try (SecretKey key = SecretKey.insecureOf(countingKey())) {
      ChaCha20.blocks(key, Purpose.BATCH_SELECTION, 0x123456789abcdefL, 7, 3, out);
    }
    for (int b = 0; b < 3; b++) {
      int[] expected = block(countingKey(), 7 + b, 2, 0x89abcdef, 0x1234567);
      assertArrayEquals(expected, Arrays.copyOfRange(out, 16 * b, 16 * b + 16));
    }
  }

  @Test
  void theLastBlockIsReachedAndTheCounterNeverWraps() {
    int[] out = new int[32];
    try (SecretKey key = SecretKey.insecureOf(countingKey())) {
      ChaCha20.blocks(key, Purpose.NOISE, 0, -1, 1, out);
      assertEquals(block(countingKey(), -1, 1, 0, 0)[0], out[0]);
      assertThrows(
          IllegalArgumentException.class, () -> ChaCha20.blocks(key, Purpose.NOISE, 0, -1, 2, out));
    }
  }
}
