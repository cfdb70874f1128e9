package palimpsest.engine.model;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.engine.weights.ModelFileException;
import palimpsest.engine.weights.SafetensorsFolder;

/**
 * The small base model that comes with the project, so that the first run needs no network. It was
 * trained by {@code bench/base-model} on an English Wikipedia; its card lies beside its weights.
 */
public final class ShippedModel {
  /** What it is called in every cache. */
  public static final String NAME = "palimpsest-3m";

  private static final String CARD = "README.md";
  private static final List<String> FILES =
      List.of(ModelFolder.CONFIG, SafetensorsFolder.SINGLE, ModelFolder.TOKENIZER, CARD);

  private ShippedModel() {}

  /**
   * Copies it out of the jar.
   *
   * @param root of a cache of models that lacks it
   * @return its folder
   */
  static Path layOut(Path root) {
    Path folder = root.resolve(NAME);
    try {
      AtomicFiles.folder(
          folder,
          partial -> {
            for (String file : FILES) {
              try (InputStream in = open(file)) {
                Files.copy(in, partial.resolve(file));
              }
            }
          });
    } catch (ModelFileException e) {
      // Another process may have been faster; a folder comes into being whole.
      if (!Files.exists(folder.resolve(ModelFolder.CONFIG))) {
        throw e;
      }
    }
    return folder;
  }

  private static InputStream open(String file) throws IOException {
    InputStream in = ShippedModel.class.getResourceAsStream(NAME + "/" + file);
    if (in == null) {
      throw new IOException("this build lacks " + NAME + "/" + file);
    }
    return in;
  }
}
