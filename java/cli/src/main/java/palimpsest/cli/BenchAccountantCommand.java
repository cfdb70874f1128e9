package palimpsest.cli;

import java.io.IOException;
import java.util.List;
import palimpsest.synth.bench.AccountantBenchmark;
import palimpsest.synth.bench.Measurement;
import picocli.CommandLine.Command;

/** How long the accountant takes. */
@Command(
    name = "accountant",
    description = "The epsilon of 10,000 steps, and the noise that reaches a given epsilon.",
    footer = {"", "Example: palimpsest bench accountant"})
final class BenchAccountantCommand extends BenchVerb {
  @Override
  public Integer call() throws IOException {
    List<Measurement> measured;
    try (Progress progress = progress("bench accountant", rounds())) {
      measured = AccountantBenchmark.run(rounds(), progress::update);
    }
    report(measured);
    return ExitCode.DONE;
  }
}
