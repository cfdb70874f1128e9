package palimpsest.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The pretrained models on this machine. */
@Command(
    name = "model",
    description = "Pretrained models: get, import, list, show.",
    subcommands = {
      ModelGetCommand.class,
      ModelImportCommand.class,
      ModelListCommand.class,
      ModelShowCommand.class,
    },
    footer = {"", "Example: palimpsest model get smollm2-135m"})
final class ModelCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  private boolean help;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "model: say get, import, list or show");
  }
}
