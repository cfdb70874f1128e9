package palimpsest.testing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;

/** What the fuzzer takes for a fault, and what it makes of a seed. */
class FuzzCheckTest {
  private static final String SECRET = "Zdenka owes 4711";

  /** A file's refusal. */
  private static final class Refusal extends RuntimeException {
    Refusal(String message) {
      super(message);
    }

    Refusal(String message, Throwable cause) {
      super(message, cause);
    }
  }

  private static FuzzCheck check(FuzzFormat.Reader reader) {
    return new FuzzCheck(FuzzFormat.of("x", reader, Refusal.class).hiding(List.of(SECRET)));
  }

  private static FuzzCheck refusing(RuntimeException refusal) {
    return check(file -> {
      throw refusal;
    });
  }

  private static String fault(FuzzCheck check) {
    return assertThrows(AssertionError.class, () -> check.accept(new byte[1])).getMessage();
  }

  @Test
  void readAndRefusedFilesAreCounted() throws IOException {
    FuzzCheck check =
        check(file -> {
          if (file.length == 0) {
            throw new Refusal("x.csv: is empty");
          }
          return "Records[private] of Zdenka";
        });
    check.accept(new byte[1]);
    check.accept(new byte[0]);
    assertEquals(2, check.files());
    assertEquals(1, check.accepted());
    assertTrue(check.slowestMillis() > 0);
  }

  @Test
  void otherExceptionsComeThrough() {
    IllegalStateException other = new IllegalStateException();
    assertEquals(
        other,
        assertThrows(IllegalStateException.class, () -> refusing(other).accept(new byte[1])));
  }

  @Test
  void aRefusalIsOneLine() {
    assertTrue(fault(refusing(new Refusal(null))).contains("says nothing"));
    assertTrue(fault(refusing(new Refusal("two\nlines"))).contains("not one line"));
    assertTrue(fault(refusing(new Refusal("x".repeat(3000)))).contains("3000 long"));
  }

  @Test
  void noPieceOfASecretComesOut() {
    assertTrue(fault(refusing(new Refusal("broken at 'a owes 4'"))).contains("secret"));
    UncheckedIOException cause = new UncheckedIOException(new IOException("'Zdenka o'"));
    assertTrue(fault(refusing(new Refusal("broken", cause))).contains("secret"));
    assertTrue(fault(check(file -> List.of(SECRET))).contains("secret"));
  }

  @Test
  void nothingIsPrintedOrLogged() {
    FuzzCheck printing =
        check(file -> {
          System.err.print("?");
          return 0;
        });
    assertTrue(fault(printing).contains("1 bytes are printed"));
    try (FuzzCheck logging =
        check(file -> {
          Logger.getLogger("x").warning("?");
          return 0;
        })) {
      assertTrue(fault(logging).contains("printed"));
    }
  }

  @Test
  void aSecondIsTooLong() {
    assertTrue(fault(check(file -> aSecond())).contains("one file takes 1"));
  }

  @Test
  void theFirstFileMayWaitForClasses() throws IOException {
    AtomicInteger reads = new AtomicInteger();
    FuzzCheck check = check(file -> reads.getAndIncrement() == 0 ? aSecond() : 0);
    check.accept(new byte[0]);
    check.accept(new byte[0]);
    assertEquals(3, reads.get());
    assertEquals(2, check.files());
    assertEquals(2, check.accepted());
  }

  /** Keeps the processor for more than a second. */
  private static int aSecond() {
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    long end = threads.getCurrentThreadCpuTime() + 1_001_000_000;
    while (threads.getCurrentThreadCpuTime() < end) {
      Thread.onSpinWait();
    }
    return 0;
  }

  @Test
  void anInputIsAFileOrEditsOfASeed() {
    List<byte[]> seeds = List.of(bytes("{\"a\": 12}"), bytes("second"));
    for (int seed = 0; seed < 2; seed++) {
      for (byte[] input : FuzzDriver.inputs(seeds, seed)) {
        assertArrayEquals(seeds.get(seed), FuzzDriver.file(input, seeds));
      }
    }
    assertEquals(0, FuzzDriver.file(new byte[0], seeds).length);
    assertEquals("{\"b\": 12}", edited(seeds, 0, 0, 2, 'b'));
    assertEquals("{\"axy\": 12}", edited(seeds, 1, 0, 3, 2, 'x', 'y'));
    assertEquals("{\"a\"", edited(seeds, 2, 0, 4, 200));
    assertEquals("{\"a\": {\"a12}", edited(seeds, 3, 0, 6, 0, 0, 3));
    assertEquals("{\"12\": 12}", edited(seeds, 4, 0, 2, 0, 7));
    assertEquals("{\"a\": null}", edited(seeds, 5, 0, 7, 0));
    assertEquals("{\"a\": -1}", edited(seeds, 6, 0, 6, 2));
    assertEquals("{\"a\u0001\u0000\u0000\u00002}", edited(seeds, 7, 0, 3, 1, 0));
  }

  private static String edited(List<byte[]> seeds, int... script) {
    byte[] input = new byte[script.length + 1];
    input[0] = 1;
    for (int i = 0; i < script.length; i++) {
      input[i + 1] = (byte) script[i];
    }
    return new String(FuzzDriver.file(input, seeds), StandardCharsets.UTF_8);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void everyScriptMeansSomething() {
    Random random = new Random(1);
    for (int round = 0; round < 2000; round++) {
      byte[] script = new byte[random.nextInt(300)];
      random.nextBytes(script);
      byte[] file = new byte[random.nextInt(100)];
      assertTrue(FuzzEdits.apply(file, script).length < 1 << 17);
    }
  }
}
