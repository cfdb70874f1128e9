package palimpsest.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A planted fault: a patch of the sources, and the test that must fail once it is applied. Its file
 * {@code mutations/NAME.patch} begins with lines {@code # what: ...}, {@code # fault: R05} (if it
 * is one of a numbered list) and {@code # test: module TestClass#method}; a unified diff follows.
 *
 * @param name of the file, without its ending
 * @param what the fault is, in a line
 * @param module folder under {@code java/} that holds the test
 */
record Mutation(
    String name, Path patch, String what, String module, String testClass, String method) {
  private static final Pattern TEST = Pattern.compile("([a-z]+) ([A-Z]\\w*)#(\\w+)");
  private static final String ENDING = ".patch";

  /** All mutations of a checkout, by name. */
  static List<Mutation> all(Path root) throws IOException {
    try (Stream<Path> files = Files.list(root.resolve("mutations"))) {
      return files
          .filter(file -> file.toString().endsWith(ENDING))
          .sorted()
          .map(Mutation::read)
          .toList();
    }
  }

  /**
   * Reads a patch's header.
   *
   * @throws IllegalArgumentException if a line that must be there is missing or unreadable
   */
  static Mutation read(Path patch) {
    String file = patch.getFileName().toString();
    String name = file.substring(0, file.length() - ENDING.length());
    try {
      List<String> lines = Files.readAllLines(patch);
      Matcher test = TEST.matcher(header(name, lines, "test"));
      if (!test.matches()) {
        throw new IllegalArgumentException(
            "mutation " + name + ": its test must be 'module TestClass#method'");
      }
      return new Mutation(
          name, patch, header(name, lines, "what"), test.group(1), test.group(2), test.group(3));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String header(String name, List<String> lines, String key) {
    String start = "# " + key + ": ";
    return lines.stream()
        .takeWhile(line -> line.startsWith("#"))
        .filter(line -> line.startsWith(start))
        .map(line -> line.substring(start.length()).strip())
        .findFirst()
        .orElseThrow(() ->
            new IllegalArgumentException(
                "mutation " + name + ": its header lacks a line '" + start + "...'"));
  }

  /** The files that the patch changes, as paths from the root. */
  List<String> files() throws IOException {
    String start = "+++ b/";
    return Files.readAllLines(patch).stream()
        .filter(line -> line.startsWith(start))
        .map(line -> line.substring(start.length()).strip())
        .toList();
  }

  /** The test as a person names it. */
  String test() {
    return module + " " + testClass + "#" + method;
  }

  /**
   * Why the mutation cannot be tried on the sources as they are: its patch or its test is stale.
   */
  Optional<String> problem(Path root) throws IOException {
    Path tests = root.resolve("java").resolve(module).resolve("src/test/java");
    String source = testSource(tests);
    if (!Pattern.compile("void " + method + "\\(").matcher(source).find()) {
      return Optional.of(name + ": there is no test " + test());
    }
    List<String> said = new ArrayList<>();
    return apply(root, said, "--check")
        ? Optional.empty()
        : Optional.of(name + ": its patch does not apply: " + said.getFirst());
  }

  private String testSource(Path tests) throws IOException {
    if (!Files.isDirectory(tests)) {
      return "";
    }
    try (Stream<Path> files = Files.walk(tests)) {
      Optional<Path> file = files.filter(f -> f.endsWith(testClass + ".java")).findFirst();
      return file.isPresent() ? Files.readString(file.get()) : "";
    }
  }

  /**
   * Runs {@code git apply} with the patch in a folder of sources, which need not be a repository.
   *
   * @param said receives what git complains of
   */
  boolean apply(Path folder, List<String> said, String... options) throws IOException {
    List<String> command = new ArrayList<>(List.of("git", "apply"));
    command.addAll(List.of(options));
    command.add(patch.toAbsolutePath().toString());
    ProcessBuilder builder =
        new ProcessBuilder(command).directory(folder.toFile()).redirectErrorStream(true);
    Process git = builder.start();
    try (var out = git.inputReader()) {
      out.lines().forEach(said::add);
    }
    try {
      boolean applied = git.waitFor() == 0;
      if (!applied && said.isEmpty()) {
        said.add("git apply failed");
      }
      return applied;
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
