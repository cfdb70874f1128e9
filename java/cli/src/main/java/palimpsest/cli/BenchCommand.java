package palimpsest.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** How fast this machine trains, and what of its peak that is. */
@Command(
    name = "bench",
    description = {
      "Speed on this machine, as a fraction of the peak that is probed in the same run:",
      "step, kernel, noise, accountant."
    },
    subcommands = {
      BenchStepCommand.class,
      BenchKernelCommand.class,
      BenchNoiseCommand.class,
      BenchAccountantCommand.class,
    },
    footer = {"", "Example: palimpsest bench step --length 64,256"})
final class BenchCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  private boolean help;

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(), "bench: say step, kernel, noise or accountant");
  }
}
