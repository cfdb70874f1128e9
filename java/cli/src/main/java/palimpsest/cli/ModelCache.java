package palimpsest.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The folder in which fetched and imported models lie, one folder a model. */
final class ModelCache {
  private ModelCache() {}

  /** {@code $XDG_CACHE_HOME/palimpsest}, or {@code ~/.cache/palimpsest} where that is not set. */
  static Path folder() {
    String cache = System.getenv("XDG_CACHE_HOME");
    Path parent =
        cache == null || cache.isEmpty()
            ? Path.of(System.getProperty("user.home"), ".cache")
            : Path.of(cache);
    return parent.resolve("palimpsest");
  }

  /** The models under {@code folder}: folders, at any depth to 3, that hold a config.json. */
  static List<String> names(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.walk(folder, 4)) {
      return files
          .filter(file -> file.endsWith("config.json"))
          .map(file -> folder.relativize(file.getParent()).toString())
          .sorted()
          .toList();
    }
  }
}
