package palimpsest.synth;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.synth.text.InputException;

/**
 * The releasable output of a run: synthetic records, the statement, what was tuned. Nothing else is
 * ever written there, and it appears whole or not at all.
 */
final class ReleaseFolder {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private ReleaseFolder() {}

  /**
   * Refuses a place that could not be written at the end, when everything has been paid.
   *
   * @throws InputException if there is something in it, or it cannot be made
   */
  static void refuseUnusable(Path target) {
    if (Files.isDirectory(target)) {
      try (DirectoryStream<Path> entries = Files.newDirectoryStream(target)) {
        if (entries.iterator().hasNext()) {
          throw new InputException(
              target + ": the output folder is not empty; remove it or choose another name");
        }
      } catch (IOException e) {
        throw InputException.unreadable(target.toString(), e);
      }
    } else if (Files.exists(target)) {
      throw new InputException(target + ": is no folder; choose another name");
    }
    Path parent = target.toAbsolutePath().normalize().getParent();
    while (parent != null && !Files.exists(parent)) {
      parent = parent.getParent();
    }
    if (parent == null || !Files.isDirectory(parent) || !Files.isWritable(parent)) {
      throw new InputException(
          target + ": no folder can be made there, since " + parent + " cannot be written to");
    }
  }

  /**
   * Writes the folder.
   *
   * @param records writes the file of synthetic records, if there is to be one
   * @param content of the statement as data
   */
  static void write(
      Path target,
      AtomicFiles.FolderBody records,
      AdapterCard card,
      Map<String, ?> content,
      TunedDecoder model) {
    AtomicFiles.folder(
        target,
        out -> {
          records.write(out);
          AtomicFiles.file(
              out.resolve(Synthesis.STATEMENT_TEXT),
              card.statement().getBytes(StandardCharsets.UTF_8));
          AtomicFiles.file(
              out.resolve(Synthesis.STATEMENT_JSON),
              (JSON.writeValueAsString(content) + "\n").getBytes(StandardCharsets.UTF_8));
          Path tuned = out.resolve(Synthesis.tunedFolder(model.tuned().method()));
          model.write(tuned, card.baseModel());
          card.write(tuned);
        });
  }
}
