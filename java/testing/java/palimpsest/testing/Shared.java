package palimpsest.testing;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/** Files for tests that lie outside the repository: absent, they skip the test or fail it. */
public final class Shared {
  private Shared() {}

  /** A file of the shared folder by its path there. */
  public static Path file(String relative) {
    String folder = System.getProperty("palimpsest.shared", "../shared");
    return demand(Path.of(folder, relative), "shared file " + relative);
  }

  /** The folder of SmolLM2-135M-Instruct as {@code palimpsest model get} leaves it. */
  public static Path smollm2() {
    String cache = System.getenv("XDG_CACHE_HOME");
    Path base =
        cache != null && !cache.isBlank()
            ? Path.of(cache)
            : Path.of(System.getProperty("user.home"), ".cache");
    return demand(
        base.resolve("palimpsest/models/smollm2-135m"),
        "the model smollm2-135m (palimpsest model get smollm2-135m)");
  }

  private static Path demand(Path path, String what) {
    if (!Files.exists(path)) {
      if (Boolean.getBoolean("palimpsest.shared.required")) {
        Assertions.fail(what + " is required and missing");
      }
      Assumptions.abort(what + " is not here");
    }
    return path;
  }

  /** All bytes of a shared file, unpacked if its name ends in .gz. */
  public static byte[] bytes(String relative) {
    Path path = file(relative);
    try (InputStream raw = Files.newInputStream(path)) {
      return relative.endsWith(".gz")
          ? new GZIPInputStream(raw).readAllBytes()
          : raw.readAllBytes();
    } catch (IOException e) {
      return Assertions.fail(e);
    }
  }
}
