package palimpsest.cli;

import java.util.List;
import palimpsest.synth.SamplingSettings;
import palimpsest.synth.SyntheticRecord;
import picocli.CommandLine.Option;

/** How synthetic records are drawn from a model; none of it costs privacy. */
final class SamplingOptions {
  @Option(
      names = "--records",
      defaultValue = "1000",
      paramLabel = "N",
      description = "How many (default 1000).")
  private int records;

  @Option(
      names = "--temperature",
      defaultValue = "1",
      paramLabel = "T",
      description = "Of the softmax (default 1).")
  private double temperature;

  @Option(
      names = "--top-k",
      defaultValue = "0",
      paramLabel = "K",
      description = "Only the k likeliest tokens; 0: all.")
  private int topK;

  @Option(
      names = "--top-p",
      defaultValue = "0.95",
      paramLabel = "P",
      description = "Only the likeliest tokens of this much probability (default 0.95).")
  private double topP;

  @Option(
      names = "--guidance",
      defaultValue = "2",
      paramLabel = "W",
      description = "How much a text is drawn towards its label (default 2; 0: not at all).")
  private double guidance;

  @Option(
      names = "--judge",
      description = "Keep a text only if the model itself finds its label the likeliest.")
  private boolean judge;

  SamplingSettings settings() {
    return new SamplingSettings(records, temperature, topK, topP, guidance, judge, 3);
  }

  /**
   * Fewer records than were asked for are worth a word; none at all are a failure.
   *
   * @throws IllegalStateException if there should be records and there are none
   */
  static void requireAny(SamplingSettings asked, List<SyntheticRecord> made) {
    if (asked.records() > 0 && made.isEmpty()) {
      throw new IllegalStateException(
          "no text that the model wrote has the form of a record; allow longer ones with --max-tokens, or tune further");
    }
  }

  /** How many records there are, beside how many were asked for. */
  static String count(SamplingSettings asked, List<SyntheticRecord> made) {
    return made.size() == asked.records()
        ? made.size() + " synthetic records"
        : "%d of the %d synthetic records asked for (the model wrote no more that have the form of one)"
            .formatted(made.size(), asked.records());
  }
}
