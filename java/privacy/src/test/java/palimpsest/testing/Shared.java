package palimpsest.testing;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/** Files outside the repository that some tests compare with. */
public final class Shared {
  private Shared() {}

  /**
   * The path of a shared file. If it is absent the calling test is skipped by name, or fails when
   * {@code palimpsest.shared.required} is set.
   */
  public static Path file(String relative) {
    String root = System.getProperty("palimpsest.shared", "../shared");
    Path path = Path.of(root).resolve(relative);
    boolean present = Files.exists(path);
    if (Boolean.getBoolean("palimpsest.shared.required")) {
      Assertions.assertTrue(present, "shared file is required but absent: " + relative);
    }
    Assumptions.assumeTrue(present, "shared file is absent: " + relative);
    return path;
  }
}
