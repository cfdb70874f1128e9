package palimpsest.engine.weights;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * The number formats of GGUF files that can be read, with the exact value of each block in float32
 * (the block layouts of ggml's ggml-common.h; each product and sum is rounded once, in the order of
 * ggml's dequantize_row functions, without fused operations).
 */
enum GgmlType {
  F32(0, 1, 4),
  F16(1, 1, 2),
  Q4_0(2, 32, 18),
  Q4_1(3, 32, 20),
  Q5_0(6, 32, 22),
  Q5_1(7, 32, 24),
  Q8_0(8, 32, 34),
  Q4_K(12, 256, 144),
  Q5_K(13, 256, 176),
  Q6_K(14, 256, 210),
  BF16(30, 1, 2);

  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt INT =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private final int id;
  private final int blockSize;
  private final int blockBytes;

  GgmlType(int id, int blockSize, int blockBytes) {
    this.id = id;
    this.blockSize = blockSize;
    this.blockBytes = blockBytes;
  }

  /** The type of that number in a file, or null if it is none of these. */
  static GgmlType of(int id) {
    return Arrays.stream(values()).filter(type -> type.id == id).findFirst().orElse(null);
  }

  static String supported() {
    return Arrays.stream(values()).map(Enum::name).collect(Collectors.joining(", "));
  }

  /** Numbers in one block; rows hold whole blocks. */
  int blockSize() {
    return blockSize;
  }

  int blockBytes() {
    return blockBytes;
  }

  /**
   * Reads {@code count} numbers (whole blocks) that start at byte {@code from} of {@code source}.
   */
  void dequantise(MemorySegment source, long from, int count, float[] out) {
    for (int at = 0; at < count; at += blockSize, from += blockBytes) {
      switch (this) {
        case F32 -> out[at] = source.get(FLOAT, from);
        case F16 -> out[at] = half(source, from);
        case BF16 -> out[at] = Float.intBitsToFloat(source.get(SHORT, from) << 16);
        case Q4_0 -> nibbles(source, from + 2, half(source, from), -8, out, at);
        case Q4_1 ->
            nibblesPlus(source, from + 4, half(source, from), half(source, from + 2), out, at);
        case Q5_0 -> fiveBits(source, from + 2, half(source, from), -16, -0f, out, at);
        case Q5_1 ->
            fiveBits(source, from + 4, half(source, from), 0, half(source, from + 2), out, at);
        case Q8_0 -> bytes(source, from, out, at);
        case Q4_K -> superBlock(source, from, false, out, at);
        case Q5_K -> superBlock(source, from, true, out, at);
        case Q6_K -> sixBits(source, from, out, at);
      }
    }
  }

  private static float half(MemorySegment source, long at) {
    return Float.float16ToFloat(source.get(SHORT, at));
  }

  private static int unsigned(MemorySegment source, long at) {
    return source.get(JAVA_BYTE, at) & 0xff;
  }

  private static void bytes(MemorySegment source, long from, float[] out, int at) {
    float d = half(source, from);
    for (int j = 0; j < 32; j++) {
      out[at + j] = d * source.get(JAVA_BYTE, from + 2 + j);
    }
  }

  /** Q4_0: d * (q - 8); the low nibbles are the first 16 numbers, the high ones the last 16. */
  private static void nibbles(
      MemorySegment source, long from, float d, int shift, float[] out, int at) {
    for (int j = 0; j < 16; j++) {
      int q = unsigned(source, from + j);
      out[at + j] = d * ((q & 15) + shift);
      out[at + 16 + j] = d * ((q >> 4) + shift);
    }
  }

  /** Q4_1: d * q + m. */
  private static void nibblesPlus(
      MemorySegment source, long from, float d, float m, float[] out, int at) {
    for (int j = 0; j < 16; j++) {
      int q = unsigned(source, from + j);
      out[at + j] = d * (q & 15) + m;
      out[at + 16 + j] = d * (q >> 4) + m;
    }
  }

  /**
   * Q5_0: d * (q - 16), with m = -0, which changes no number, not even a zero's sign; Q5_1: d * q +
   * m. 32 fifth bits stand before the nibbles.
   */
  private static void fiveBits(
      MemorySegment source, long from, float d, int shift, float m, float[] out, int at) {
    int high = source.get(INT, from);
    for (int j = 0; j < 16; j++) {
      int q = unsigned(source, from + 4 + j);
      out[at + j] = d * ((q & 15 | (high >>> j & 1) << 4) + shift) + m;
      out[at + 16 + j] = d * ((q >> 4 | (high >>> j + 16 & 1) << 4) + shift) + m;
    }
  }

  /**
   * Q4_K and Q5_K: 8 groups of 32 numbers, {@code d * scale * q - dmin * min}; the 8 scales and
   * mins have 6 bits each, packed in 12 bytes.
   */
  private static void superBlock(
      MemorySegment source, long from, boolean five, float[] out, int at) {
    float d = half(source, from);
    float dmin = half(source, from + 2);
    long scales = from + 4;
    long fifth = from + 16;
    long quants = five ? from + 48 : from + 16;
    for (int group = 0; group < 8; group++) {
      float scale = d * scale(source, scales, group);
      float min = dmin * min(source, scales, group);
      for (int l = 0; l < 32; l++) {
        int q = unsigned(source, quants + group / 2 * 32 + l) >> group % 2 * 4 & 15;
        if (five) {
          q |= (unsigned(source, fifth + l) >> group & 1) << 4;
        }
        out[at + group * 32 + l] = scale * q - min;
      }
    }
  }

  private static int scale(MemorySegment source, long scales, int j) {
    return j < 4
        ? unsigned(source, scales + j) & 63
        : unsigned(source, scales + j + 4) & 15 | unsigned(source, scales + j - 4) >> 6 << 4;
  }

  private static int min(MemorySegment source, long scales, int j) {
    return j < 4
        ? unsigned(source, scales + j + 4) & 63
        : unsigned(source, scales + j + 4) >> 4 | unsigned(source, scales + j) >> 6 << 4;
  }

  /** Q6_K: {@code d * scale * (q - 32)}, 16 signed scales of 16 numbers each. */
  private static void sixBits(MemorySegment source, long from, float[] out, int at) {
    long scales = from + 192;
    float d = half(source, from + 208);
    for (int j = 0; j < 256; j++) {
      int part = j / 128;
      int quarter = j % 128 / 32;
      int l = j % 32;
      int low = unsigned(source, from + part * 64 + quarter % 2 * 32 + l) >> quarter / 2 * 4 & 15;
      int high = unsigned(source, from + 128 + part * 32 + l) >> quarter * 2 & 3;
      float scale = d * source.get(JAVA_BYTE, scales + j / 16);
      out[at + j] = scale * ((low | high << 4) - 32);
    }
  }
}
