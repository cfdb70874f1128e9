package palimpsest.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The whole job in one command. */
@Command(
    name = "synthesize",
    description =
        "A private labelled file in; a synthetic file, a tuned adapter and one privacy statement"
            + " out.",
    footer = {
      "",
      "Example: palimpsest synthesize --data tickets.csv --text body --label queue --labels queues.txt \\",
      "           --size-bound 6000 --model smollm2-135m --epsilon 8 --records 1000 --out synthetic-tickets"
    })
final class SynthesizeCommand extends PrivateRun {
  @Mixin private SamplingOptions sampling;

  @Option(
      names = "--format",
      defaultValue = "jsonl",
      paramLabel = "F",
      description = "jsonl (default) or csv.")
  private OutputFormat format;

  enum OutputFormat {
    JSONL,
    CSV
  }

  @Override
  public Integer call() {
    return run(sampling.settings(), format == OutputFormat.CSV);
  }
}
