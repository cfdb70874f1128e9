package palimpsest.testing;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.nio.file.Files;
import java.nio.file.Path;

/** Pretrained models that tests use where they have been fetched. */
public final class Models {
  private Models() {}

  /** The folder of SmolLM2-135M as {@code palimpsest model get} leaves it. */
  public static Path smollm2() {
    return fetched("smollm2-135m");
  }

  /** The folder of all-MiniLM-L6-v2 as {@code palimpsest model get} leaves it. */
  public static Path minilm() {
    return fetched("minilm");
  }

  /**
   * If the model is absent the test is skipped by name, or fails where {@code
   * palimpsest.shared.required} is "true".
   */
  private static Path fetched(String name) {
    String cache = System.getenv("XDG_CACHE_HOME");
    Path base =
        cache != null && !cache.isBlank()
            ? Path.of(cache)
            : Path.of(System.getProperty("user.home"), ".cache");
    Path folder = base.resolve("palimpsest/models").resolve(name);
    if (Files.isDirectory(folder)) {
      return folder;
    }
    String absent =
        "the model %s has not been fetched (palimpsest model get %s)".formatted(name, name);
    return Boolean.getBoolean("palimpsest.shared.required") ? fail(absent) : abort(absent);
  }
}
