package palimpsest.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What an owner may look at and no one else: attacks on what this program claims, and learning. */
@Command(
    name = "audit",
    description = {
      "Attacks on this machine what this program claims: step (every noisy sum is seen), text (the synthetic records"
          + " are). Shows how a run learns: curve."
    },
    subcommands = {AuditStepCommand.class, AuditTextCommand.class, AuditCurveCommand.class},
    footer = {"", "Example: palimpsest audit step --rate 0.1 --noise 0.8 --steps 60 --delta 1e-5"})
final class AuditCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  private boolean help;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "audit: say step, text or curve");
  }
}
