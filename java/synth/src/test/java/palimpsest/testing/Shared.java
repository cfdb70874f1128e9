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
    String folder = System.getProperty("palimpsest.shared", "../../../shared");
    return demand(Path.of(folder, relative), "shared file " + relative);
  }

  /** The GGUF file of SmolLM2-135M-Instruct, by property or from the cache. */
  public static Path smollm2Gguf() {
    String set = System.getProperty("palimpsest.smollm2.gguf");
    Path cache = Path.of(System.getProperty("user.home"), ".cache", "palimpsest");
    Path path =
        set == null || set.isEmpty()
            ? cache.resolve("smollm2-135m").resolve("SmolLM2-135M-Instruct.Q4_1.gguf")
            : Path.of(set);
    Assumptions.assumeTrue(
        Files.isRegularFile(path), "SmolLM2 is not here: set palimpsest.smollm2.gguf");
    return path;
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
