package palimpsest.cli;

import java.nio.file.Path;
import palimpsest.engine.model.ModelCache;
import palimpsest.engine.model.PackageClient;
import picocli.CommandLine.Option;

/** Where the models are. */
final class ModelOptions {
  @Option(
      names = "--models",
      paramLabel = "DIR",
      description =
          "The folder of models; by default palimpsest/models in the user's cache folder.")
  private Path folder;

  ModelCache cache() {
    return folder == null
        ? ModelCache.standard()
        : new ModelCache(folder.toAbsolutePath(), PackageClient.pip());
  }
}
