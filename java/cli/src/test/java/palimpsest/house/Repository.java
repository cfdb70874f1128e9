package palimpsest.house;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** The checkout's own files: not build outputs, not what version control keeps for itself. */
final class Repository {
  static final Path ROOT = root();

  private static final Set<String> NOT_OURS =
      Set.of(
          ".git", "target", "__pycache__", ".cifuzz-corpus", ".jqwik-database", ".idea", ".vscode");

  private Repository() {}

  private static Path root() {
    String root = System.getProperty("palimpsest.root");
    if (root == null) {
      throw new IllegalStateException(
          "system property palimpsest.root is not set; run through Maven");
    }
    return Path.of(root);
  }

  /** All files, relative to the root, sorted. */
  static List<Path> files() {
    return walk(ROOT).map(ROOT::relativize).sorted().toList();
  }

  private static Stream<Path> walk(Path folder) {
    try (Stream<Path> children = Files.list(folder)) {
      return children
          .filter(child -> !NOT_OURS.contains(child.getFileName().toString()))
          .flatMap(child -> Files.isDirectory(child) ? walk(child) : Stream.of(child))
          .toList()
          .stream();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A file's lines, or none if it is not text. */
  static List<String> lines(Path file) {
    try {
      return Files.readAllLines(ROOT.resolve(file));
    } catch (MalformedInputException _) {
      return List.of();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static boolean has(String file) {
    return Files.exists(ROOT.resolve(file));
  }
}
