package palimpsest.testing;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.nio.file.Files;
import java.nio.file.Path;

/** Test data that does not lie in the repository. */
public final class Shared {
  private Shared() {}

  /**
   * The file or folder {@code name} under the folder that system property {@code palimpsest.shared}
   * names. If it is absent the test is skipped by name, or fails where {@code
   * palimpsest.shared.required} is "true".
   */
  public static Path path(String name) {
    String root = System.getProperty("palimpsest.shared");
    if (root != null && Files.exists(Path.of(root, name))) {
      return Path.of(root, name);
    }
    String absent = "shared test data " + name + " is absent";
    if (Boolean.getBoolean("palimpsest.shared.required")) {
      return fail(absent);
    }
    return abort(absent);
  }
}
