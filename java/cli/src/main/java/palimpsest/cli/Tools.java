package palimpsest.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Programs that the build calls. */
final class Tools {
  private static final Pattern VERSION = Pattern.compile("\\d+(\\.\\d+)+");

  private Tools() {}

  /** The version that {@code program --version} prints, or nothing if it cannot be run. */
  static Optional<String> version(String program) {
    Process process = null;
    try {
      process =
          new ProcessBuilder(program, "--version")
              .redirectErrorStream(true)
              .redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")))
              .start();
      String output = new String(process.getInputStream().readNBytes(4096), StandardCharsets.UTF_8);
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        return Optional.empty();
      }
      Matcher version = VERSION.matcher(output);
      return version.find() ? Optional.of(version.group()) : Optional.empty();
    } catch (IOException _) {
      return Optional.empty();
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      return Optional.empty();
    } finally {
      if (process != null) {
        process.destroy();
      }
    }
  }
}
