package palimpsest.privacy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * The 256-bit key of every secret random stream of a run: batch selection, noise, canaries,
 * generation.
 *
 * <p>A key comes from the operating system at every process start, lives outside the Java heap, is
 * overwritten on close and is never stored, printed or derived from a user's seed. Whoever knows
 * the key can subtract the noise. If the operating system cannot give random bytes, there is no key
 * and no run: there is no fallback.
 *
 * <p>A deterministic key exists for tests. It is marked {@link #insecure()}, and what is made with
 * it is not private.
 */
public final class SecretKey implements AutoCloseable {
  /** Bytes in a key. */
  public static final int BYTES = 32;

  private static final int CHARACTER_DEVICE = 0020000;
  private static final int FILE_TYPE = 0170000;

  private final Arena arena;
  private final MemorySegment words;
  private final boolean insecure;

  private SecretKey(boolean insecure) {
    this.arena = Arena.ofShared();
    this.words = arena.allocate(BYTES, Long.BYTES);
    this.insecure = insecure;
  }

  /**
   * A fresh key from the operating system's generator.
   *
   * @throws EntropyException if the generator is missing, is not what it should be, or gives too
   *     few or repeated bytes
   */
  public static SecretKey fromOperatingSystem() {
    if (System.getProperty("os.name", "").startsWith("Windows")) {
      return fromWindows();
    }
    return fromDevices(Path.of("/dev/random"), Path.of("/dev/urandom"));
  }

  /**
   * A key that anyone can compute from {@code seed}, for tests only: the result is {@link
   * #insecure()}, which a ledger and a statement turn into "NON-PRIVATE".
   */
  public static SecretKey insecureDeterministic(long seed) {
    byte[] text =
        ("palimpsest insecure deterministic key " + seed).getBytes(StandardCharsets.UTF_8);
    return insecureOf(sha256(text));
  }

  /** A key of given bytes, for published test vectors; insecure. */
  static SecretKey insecureOf(byte[] bytes) {
    if (bytes.length != BYTES) {
      throw new IllegalArgumentException("SecretKey: a key has 32 bytes");
    }
    SecretKey key = new SecretKey(true);
    MemorySegment.copy(bytes, 0, key.words, ValueLayout.JAVA_BYTE, 0, BYTES);
    return key;
  }

  /**
   * Reads a key from character devices.
   *
   * @param pool one byte is read from it first: on Linux this waits until the kernel's generator
   *     has been seeded once after boot
   * @param generator gives the key
   */
  static SecretKey fromDevices(Path pool, Path generator) {
    requireCharacterDevice(pool);
    requireCharacterDevice(generator);
    SecretKey key = new SecretKey(false);
    try (Arena scratch = Arena.ofConfined()) {
      MemorySegment second = scratch.allocate(BYTES);
      readFully(pool, scratch.allocate(1));
      readFully(generator, key.words);
      readFully(generator, second);
      boolean repeated = key.words.mismatch(second) == -1;
      second.fill((byte) 0);
      key.refuseStuckGenerator(repeated);
      return key;
    } catch (IOException e) {
      key.close();
      throw new EntropyException(
          "the random device " + generator + " cannot be read; refusing to run without it", e);
    } catch (EntropyException e) {
      key.close();
      throw e;
    }
  }

  private static SecretKey fromWindows() {
    byte[] bytes = new byte[BYTES];
    SecretKey key = new SecretKey(false);
    try {
      SecureRandom.getInstance("Windows-PRNG").nextBytes(bytes);
      MemorySegment.copy(bytes, 0, key.words, ValueLayout.JAVA_BYTE, 0, BYTES);
      key.refuseStuckGenerator(false);
      return key;
    } catch (NoSuchAlgorithmException e) {
      key.close();
      throw new EntropyException(
          "the provider Windows-PRNG is missing; refusing to run without it", e);
    } finally {
      Arrays.fill(bytes, (byte) 0);
    }
  }

  private static void requireCharacterDevice(Path device) {
    try {
      int mode = (Integer) Files.getAttribute(device, "unix:mode");
      if ((mode & FILE_TYPE) != CHARACTER_DEVICE) {
        throw new EntropyException(
            device + " is not a character device; refusing to take a key from it", null);
      }
    } catch (IOException | UnsupportedOperationException e) {
      throw new EntropyException(
          "the random device " + device + " is missing; refusing to run without it", e);
    }
  }

  private static void readFully(Path device, MemorySegment target) throws IOException {
    ByteBuffer buffer = target.asByteBuffer();
    try (FileChannel channel = FileChannel.open(device, StandardOpenOption.READ)) {
      while (buffer.hasRemaining()) {
        if (channel.read(buffer) <= 0) {
          throw new EntropyException(
              "the random device " + device + " ended early; refusing to run with a short key",
              null);
        }
      }
    }
  }

  /**
   * A working generator repeats 32 bytes, or gives 32 equal bytes, with probability below 2^-240.
   */
  private void refuseStuckGenerator(boolean repeated) {
    boolean constant = true;
    for (int i = 1; i < BYTES; i++) {
      constant &= words.get(ValueLayout.JAVA_BYTE, i) == words.get(ValueLayout.JAVA_BYTE, 0);
    }
    if (repeated || constant) {
      throw new EntropyException(
          "the random device repeats itself; refusing to take a key from it", null);
    }
  }

  /** Whether this key is computable by others, so that nothing made with it is private. */
  public boolean insecure() {
    return insecure;
  }

  /**
   * The key as eight 32-bit words in the machine's memory, read-only, for the native noise kernel.
   * Valid until {@link #close()}.
   *
   * @throws IllegalStateException if the key is closed
   */
  public MemorySegment words() {
    if (!arena.scope().isAlive()) {
      throw new IllegalStateException("SecretKey: the key is closed");
    }
    return words.asReadOnly();
  }

  /**
   * A name for this key in a ledger: the first 16 hexadecimal digits of the SHA-256 of one block of
   * a purpose used for nothing else. It tells two keys apart and says nothing about the other
   * streams unless ChaCha20 is broken.
   */
  public String fingerprint() {
    int[] block = new int[ChaCha20.BLOCK_WORDS];
    ChaCha20.blocks(this, Purpose.FINGERPRINT, 0, 0, 1, block);
    ByteBuffer bytes = ByteBuffer.allocate(4 * block.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asIntBuffer().put(block);
    String digits = HexFormat.of().formatHex(sha256(bytes.array()), 0, 8);
    Arrays.fill(block, 0);
    Arrays.fill(bytes.array(), (byte) 0);
    return digits;
  }

  /**
   * Replaces the key by the next one and overwrites the old (fast key erasure): whoever sees this
   * memory later cannot compute the noise of this step or of earlier ones.
   *
   * @param step the step that is over; the next key is the first half of this step's block of a
   *     purpose used for nothing else
   * @throws IllegalStateException if the key is closed
   */
  public void advance(long step) {
    int[] block = new int[ChaCha20.BLOCK_WORDS];
    ChaCha20.blocks(this, Purpose.NEXT_KEY, step, 0, 1, block);
    MemorySegment.copy(block, 0, words, ValueLayout.JAVA_INT, 0, BYTES / Integer.BYTES);
    Arrays.fill(block, 0);
  }

  /** Overwrites the key and frees its memory. Closing twice is harmless. */
  @Override
  public void close() {
    if (arena.scope().isAlive()) {
      words.fill((byte) 0);
      arena.close();
    }
  }

  /** Says that there is a key, never which. */
  @Override
  public String toString() {
    return insecure ? "SecretKey[insecure]" : "SecretKey";
  }

  private static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }

  /** The operating system gave no usable random bytes: nothing private may run. */
  public static final class EntropyException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    EntropyException(String message, Throwable cause) {
      super("SecretKey: " + message, cause);
    }
  }
}
