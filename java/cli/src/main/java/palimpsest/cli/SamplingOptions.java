package palimpsest.cli;

import palimpsest.synth.SamplingSettings;
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
}
