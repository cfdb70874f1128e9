package palimpsest.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.function.Consumer;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.synth.ReleaseReport;

/** The page that lies in a release beside its records. */
final class ReleasePage {
  static final String NAME = "report.html";

  private ReleasePage() {}

  /**
   * Writes it into a release that is there and paid for. The release is whole without it, so if it
   * cannot be written nothing else is lost.
   *
   * @param said is told why there is none
   */
  static void write(Path folder, Consumer<String> said) {
    try {
      byte[] page = ReleaseReport.of(folder).html().getBytes(StandardCharsets.UTF_8);
      AtomicFiles.file(folder.resolve(NAME), page);
    } catch (RuntimeException e) {
      said.accept(
          "the release is complete but for its page ("
              + e.getMessage()
              + "); write it with: palimpsest report "
              + folder);
    }
  }
}
