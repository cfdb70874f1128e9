package palimpsest.synth;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import palimpsest.synth.text.InputException;

/** The owner's private state directory, of mode 0700: ledgers and unfinished runs. */
public final class StateFolder {
  private static final Set<PosixFilePermission> OWNER_ONLY =
      PosixFilePermissions.fromString("rwx------");

  private StateFolder() {}

  /**
   * {@code $PALIMPSEST_STATE}, or {@code palimpsest} under {@code $XDG_STATE_HOME}, or under {@code
   * ~/.local/state}.
   */
  public static Path standard() {
    String own = System.getenv("PALIMPSEST_STATE");
    if (own != null && !own.isBlank()) {
      return Path.of(own);
    }
    String state = System.getenv("XDG_STATE_HOME");
    Path parent =
        state == null || state.isBlank()
            ? Path.of(System.getProperty("user.home"), ".local", "state")
            : Path.of(state);
    return parent.resolve("palimpsest");
  }

  /** Where the ledgers of a state directory lie. */
  public static Path ledgers(Path root) {
    return root.resolve("ledgers");
  }

  /** Where the unfinished runs of a state directory lie. */
  static Path runs(Path root) {
    return root.resolve("runs");
  }

  /**
   * Makes a directory for the owner alone, or checks that it is one.
   *
   * @throws InputException if others can look into it
   */
  static Path make(Path path) {
    try {
      Files.createDirectories(path, PosixFilePermissions.asFileAttribute(OWNER_ONLY));
      if (!Files.getPosixFilePermissions(path).equals(OWNER_ONLY)) {
        throw new InputException(path + " must be open to its owner alone: chmod 700 " + path);
      }
      return path;
    } catch (IOException e) {
      throw new UncheckedIOException(path + ": the private state directory cannot be made", e);
    }
  }
}
