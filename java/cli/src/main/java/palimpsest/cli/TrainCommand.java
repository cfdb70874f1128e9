package palimpsest.cli;

import palimpsest.synth.SamplingSettings;
import picocli.CommandLine.Command;

/** The first half of synthesize. */
@Command(
    name = "train",
    description =
        "Tunes an adapter on a private labelled file and states what it cost; sample draws records"
            + " from it.",
    footer = {
      "",
      "Example: palimpsest train --data tickets.csv --text body --label queue --labels queues.txt \\",
      "           --size-bound 6000 --epsilon 8 --out tuned-tickets"
    })
final class TrainCommand extends PrivateRun {
  @Override
  public Integer call() {
    return run(SamplingSettings.of(0), false);
  }
}
