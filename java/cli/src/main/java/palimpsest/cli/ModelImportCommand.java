package palimpsest.cli;

import java.nio.file.Path;
import java.util.Locale;
import palimpsest.engine.model.ModelCache;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Takes a model from a file or folder into the cache. */
@Command(
    name = "import",
    description = "Takes in a GGUF file, or a folder with config.json and safetensors.",
    footer = {"", "Example: palimpsest model import SmolLM2-135M.Q8_0.gguf smollm2"})
final class ModelImportCommand extends Verb {
  private static final String GGUF = ".gguf";

  @Mixin private ModelOptions models;

  @Parameters(index = "0", paramLabel = "FILE", description = "A GGUF file or a model folder.")
  private Path source;

  @Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "NAME",
      description = "What to call it here; by default the file's own name in small letters.")
  private String name;

  @Override
  public Integer call() {
    ModelCache cache = models.cache();
    Path folder = cache.importFile(source, name == null ? nameOf(source) : name);
    ModelText model = ModelText.of(cache.show(folder.getFileName().toString()));
    print(model.fields(), model.text());
    return ExitCode.DONE;
  }

  private static String nameOf(Path source) {
    Path last = source.toAbsolutePath().normalize().getFileName();
    String file = last == null ? "" : last.toString().toLowerCase(Locale.ROOT);
    return file.endsWith(GGUF) ? file.substring(0, file.length() - GGUF.length()) : file;
  }
}
