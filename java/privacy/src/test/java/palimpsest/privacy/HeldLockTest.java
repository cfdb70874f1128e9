package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HeldLockTest {
  private static final int FREE = 7;
  private static final int TAKEN = 8;

  @TempDir Path folder;

  /** Another process that tries to take the lock. */
  static final class Other {
    private Other() {}

    public static void main(String[] arguments) throws IOException {
      System.exit(HeldLock.tryHold(Path.of(arguments[0])).isPresent() ? FREE : TAKEN);
    }
  }

  private int another(Path file) throws Exception {
    return new ProcessBuilder(
            ProcessHandle.current().info().command().orElseThrow(),
            "-XX:TieredStopAtLevel=1",
            "-cp",
            System.getProperty("java.class.path"),
            Other.class.getName(),
            file.toString())
        .inheritIO()
        .start()
        .waitFor();
  }

  /** A second user of the same process, refused, must not let other processes in. */
  @Test
  void aRefusedUserTakesNothingFromTheHolder() throws Exception {
    Path file = folder.resolve("a.lock");
    try (HeldLock held = HeldLock.tryHold(file).orElseThrow()) {
      assertEquals(Optional.empty(), HeldLock.tryHold(folder.resolve("./a.lock")));
      assertTrue(held.isOpen());
      assertEquals(TAKEN, another(file));
    }
    assertEquals(FREE, another(file));
    HeldLock.tryHold(file).orElseThrow().close();
    assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
  }

  @Test
  void aFileThatCannotBeOpenedIsNotHeld() throws IOException {
    Path file = Files.createDirectory(folder.resolve("b.lock"));
    assertThrows(IOException.class, () -> HeldLock.tryHold(file));
    Files.delete(file);
    HeldLock.tryHold(file).orElseThrow().close();
  }
}
