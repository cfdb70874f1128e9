package palimpsest.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;

/**
 * The library {@code native/test/faulty_files.cpp}, which is preloaded into a process: its disk
 * fails, or it leaves a trace of what it writes and what it asks to be on disk.
 */
public final class FaultyFiles {
  private static final String TRACE = "FAULTY_TRACE";

  /** How a line of a trace begins, before the words that say when that is. */
  public static final String MARK = "mark\t";

  private final Path library;

  private FaultyFiles(Path library) {
    this.library = library;
  }

  /** Compiles the library into a folder. */
  public static FaultyFiles compile(Path folder) throws IOException, InterruptedException {
    Path library = folder.resolve("libfaulty_files.so");
    Path source =
        Path.of(System.getProperty("palimpsest.root", "../.."), "native/test/faulty_files.cpp");
    String[] compiler = {"g++", "-std=c++20", "-shared", "-fPIC", "-o"};
    List<String> command = new ArrayList<>(List.of(compiler));
    command.addAll(List.of(library.toString(), source.toString()));
    assertEquals(0, new ProcessBuilder(command).inheritIO().start().waitFor());
    return new FaultyFiles(library);
  }

  /** Preloads the library into a process, for the files in a folder. */
  public void preload(ProcessBuilder process, Path under) throws IOException {
    process.environment().put("LD_PRELOAD", library.toString());
    process.environment().put("FAULTY_UNDER", under.toRealPath().toString());
  }

  /** A process that runs a class of the test. */
  public static ProcessBuilder java(Class<?> main, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-XX:TieredStopAtLevel=1");
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command).inheritIO();
  }

  /**
   * Runs a process to its end, which is its last mark, and returns the lines of its trace.
   *
   * @param under the folder whose files are traced
   */
  public List<String> trace(ProcessBuilder process, Path under)
      throws IOException, InterruptedException {
    Path trace = Files.createTempFile(library.getParent(), "trace", null);
    preload(process, under);
    process.environment().put(TRACE, trace.toString());
    assertEquals(0, process.start().waitFor());
    List<String> lines = new ArrayList<>(Files.readAllLines(trace));
    lines.add(MARK + "end\t");
    return lines;
  }

  /** Called by a traced process: what it wrote until now must be on disk. */
  public static void mark(String when) {
    try {
      Files.writeString(
          Path.of(System.getenv(TRACE)), MARK + when + "\t\n", StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * What was not on disk at a mark, and what was renamed before it was: a line each. A file is on
   * disk if an fsync of it follows its last write, and an fsync of its directory follows its first
   * write or the rename that put it there; a directory, if an fsync of the one above follows.
   *
   * @param matters which paths must be on disk
   */
  public static String unsafe(List<String> trace, Predicate<Path> matters) {
    List<String> unsafe = new ArrayList<>();
    Set<Path> known = new HashSet<>();
    Set<Path> unsynced = new TreeSet<>();
    for (String line : trace) {
      String[] parts = line.split("\t", -1);
      Path path = Path.of(parts[1]);
      boolean mark = line.startsWith(MARK);
      if (mark || parts[0].equals("rename")) {
        unsynced.stream()
            .filter(file -> (mark || file.startsWith(path)) && matters.test(file))
            .forEach(file -> unsafe.add(parts[0] + " " + path + ": not on disk: " + file));
      }
      switch (parts[0]) {
        case "sync" -> unsynced.remove(path);
        case "write" -> {
          unsynced.add(path);
          if (known.add(path)) {
            unsynced.add(path.getParent());
          }
        }
        case "mkdir" -> unsynced.add(path.getParent());
        case "rename" -> {
          Path to = Path.of(parts[2]);
          known.add(to);
          unsynced.addAll(List.of(path.getParent(), to.getParent()));
        }
        default -> assertTrue(mark, line);
      }
    }
    return String.join("\n", unsafe);
  }
}
