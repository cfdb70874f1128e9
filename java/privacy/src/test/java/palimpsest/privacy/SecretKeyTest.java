package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SecretKeyTest {
  private static String firstBlock(SecretKey key) {
    int[] block = new int[16];
    ChaCha20.blocks(key, Purpose.NOISE, 0, 0, 1, block);
    return Arrays.toString(block);
  }

  /** R38: a restart is a new key. */
  @Test
  void keysNeverShareTheirFirstBlock() {
    Set<String> blocks = new HashSet<>();
    Set<String> fingerprints = new HashSet<>();
    for (int i = 0; i < 500; i++) {
      try (SecretKey key = SecretKey.fromOperatingSystem()) {
        assertFalse(key.insecure());
        assertTrue(blocks.add(firstBlock(key)));
        assertTrue(fingerprints.add(key.fingerprint()));
      }
    }
  }

  /** The same over processes: nothing in the start of a JVM seeds the key. */
  @Test
  void processesNeverShareTheirFirstBlock() throws Exception {
    assertNotEquals(fingerprintOfAnotherProcess(), fingerprintOfAnotherProcess());
  }

  private static String fingerprintOfAnotherProcess() throws Exception {
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    Process process =
        new ProcessBuilder(
                java,
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                PrintFingerprint.class.getName())
            .redirectErrorStream(true)
            .start();
    String out =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertEquals(0, process.waitFor(), out);
    assertTrue(out.matches("[0-9a-f]{16}"), out);
    return out;
  }

  /** What the other process runs. */
  static final class PrintFingerprint {
    private PrintFingerprint() {}

    public static void main(String[] arguments) {
      try (SecretKey key = SecretKey.fromOperatingSystem()) {
        System.out.println(key.fingerprint());
      }
    }
  }

  @Test
  void fingerprintIsStableAndTellsKeysApart() {
    try (SecretKey a = SecretKey.insecureDeterministic(1);
        SecretKey again = SecretKey.insecureDeterministic(1);
        SecretKey b = SecretKey.insecureDeterministic(2)) {
      assertTrue(a.fingerprint().matches("[0-9a-f]{16}"));
      assertEquals(a.fingerprint(), again.fingerprint());
      assertNotEquals(a.fingerprint(), b.fingerprint());
    }
  }

  @Test
  @Tag("R37")
  void deterministicKeysAreMarkedInsecureAndNothingPrintsAKey() {
    try (SecretKey test = SecretKey.insecureDeterministic(1);
        SecretKey real = SecretKey.fromOperatingSystem()) {
      assertTrue(test.insecure());
      assertEquals("SecretKey[insecure]", test.toString());
      assertEquals("SecretKey", real.toString());
    }
  }

  @Test
  void closedKeyIsOverwrittenAndUnusable() {
    SecretKey key = SecretKey.fromOperatingSystem();
    MemorySegment words = key.words();
    assertThrows(
        IllegalArgumentException.class, () -> words.set(ValueLayout.JAVA_BYTE, 0, (byte) 1));
    key.close();
    key.close();
    assertThrows(IllegalStateException.class, key::words);
    assertThrows(IllegalStateException.class, key::fingerprint);
    assertThrows(IllegalStateException.class, () -> words.get(ValueLayout.JAVA_BYTE, 0));
  }

  /** R08, R37: no fallback to a weaker source. */
  @Test
  void failsClosedWithoutARandomDevice(@TempDir Path folder) throws IOException {
    Path real = Path.of("/dev/urandom");
    Path missing = folder.resolve("urandom");
    assertThrows(SecretKey.EntropyException.class, () -> SecretKey.fromDevices(real, missing));
    assertThrows(SecretKey.EntropyException.class, () -> SecretKey.fromDevices(missing, real));
    Path planted = Files.write(folder.resolve("planted"), new byte[1000]);
    assertThrows(SecretKey.EntropyException.class, () -> SecretKey.fromDevices(real, planted));
    assertThrows(
        SecretKey.EntropyException.class, () -> SecretKey.fromDevices(real, Path.of("/dev/zero")));
    assertThrows(
        SecretKey.EntropyException.class, () -> SecretKey.fromDevices(real, Path.of("/dev/null")));
  }

  /** What the process runs whose heap is dumped while its key is in use. */
  static final class DumpHeap {
    private DumpHeap() {}

    public static void main(String[] arguments) throws IOException {
      MechanismSpec spec =
          MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1, 10, 100, 5, 1e-3);
      try (SecretKey key = SecretKey.fromOperatingSystem()) {
        new PoissonSampler(key, spec).draw(1, 1000);
        new NoiseStream(key).addTo(new long[100_000], 0, 1, 0x1p32);
        key.advance(1);
        key.fingerprint();
        ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class)
            .dumpHeap(arguments[0], false);
        Files.write(Path.of(arguments[1]), key.words().toArray(ValueLayout.JAVA_BYTE));
      }
    }
  }

  /** No two neighbouring words of the key are on the heap, in either order of bytes. */
  @Test
  void theKeyIsInNoHeapDump(@TempDir Path folder) throws Exception {
    Path dump = folder.resolve("heap.hprof");
    Path secret = folder.resolve("key");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx64m",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                DumpHeap.class.getName(),
                dump.toString(),
                secret.toString())
            .inheritIO()
            .start();
    assertEquals(0, process.waitFor());
    ByteBuffer key = ByteBuffer.wrap(Files.readAllBytes(secret));
    Set<Long> pairs = new HashSet<>();
    for (int at = 0; at + 8 <= key.capacity(); at += 4) {
      int first = key.getInt(at);
      int second = key.getInt(at + 4);
      pairs.add(pair(first, second));
      pairs.add(pair(Integer.reverseBytes(first), Integer.reverseBytes(second)));
    }
    byte[] heap = Files.readAllBytes(dump);
    assertTrue(heap.length > 1 << 20, "a whole heap");
    long window = 0;
    for (byte b : heap) {
      window = window << 8 | b & 0xff;
      assertFalse(pairs.contains(window), "a piece of the key is on the heap");
    }
  }

  private static long pair(int first, int second) {
    return (long) first << 32 | Integer.toUnsignedLong(second);
  }

  /** Fast key erasure: the next key is the stated block, the old one is nowhere in the object. */
  @Test
  void advancingReplacesTheKeyByABlockOfItsOwnPurpose() {
    try (SecretKey key = SecretKey.insecureDeterministic(5);
        SecretKey same = SecretKey.insecureDeterministic(5)) {
      int[] block = new int[ChaCha20.BLOCK_WORDS];
      ChaCha20.blocks(same, Purpose.NEXT_KEY, 3, 0, 1, block);
      key.advance(3);
      for (int i = 0; i < 8; i++) {
        assertEquals(block[i], key.words().getAtIndex(ValueLayout.JAVA_INT, i));
      }
      assertNotEquals(same.fingerprint(), key.fingerprint());
      assertTrue(key.insecure(), "a known key has known successors");
    }
    SecretKey closed = SecretKey.insecureDeterministic(5);
    closed.close();
    assertThrows(IllegalStateException.class, () -> closed.advance(1));
  }
}
