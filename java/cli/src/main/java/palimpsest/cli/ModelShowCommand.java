package palimpsest.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** One model, opened and checked. */
@Command(
    name = "show",
    description = "Opens a model, checks that its weights are what it says, and describes it.",
    footer = {"", "Example: palimpsest model show smollm2-135m"})
final class ModelShowCommand extends Verb {
  @Mixin private ModelOptions models;

  @Parameters(paramLabel = "MODEL", description = "A model's name here, or its folder.")
  private String model;

  @Override
  public Integer call() {
    ModelText shown = ModelText.of(models.cache().show(model));
    print(shown.fields(), shown.text());
    return ExitCode.DONE;
  }
}
