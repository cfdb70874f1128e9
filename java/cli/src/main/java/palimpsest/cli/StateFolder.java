package palimpsest.cli;

import java.nio.file.Path;

/** The private state directory: ledgers, and nothing that others may read. */
final class StateFolder {
  private StateFolder() {}

  /**
   * {@code $PALIMPSEST_STATE}, or {@code palimpsest} under {@code $XDG_STATE_HOME}, or under {@code
   * ~/.local/state}; the launcher makes it with mode 0700.
   */
  static Path path() {
    String own = System.getenv("PALIMPSEST_STATE");
    if (own != null && !own.isEmpty()) {
      return Path.of(own);
    }
    String state = System.getenv("XDG_STATE_HOME");
    Path parent =
        state == null || state.isEmpty()
            ? Path.of(System.getProperty("user.home"), ".local", "state")
            : Path.of(state);
    return parent.resolve("palimpsest");
  }
}
