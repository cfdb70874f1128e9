package palimpsest.cli;

import palimpsest.privacy.MechanismSpec;
import picocli.CommandLine.Option;

/** The noise of a private run; the same words in every command that is told it. */
final class NoiseOption {
  @Option(
      names = "--noise",
      required = true,
      paramLabel = "S",
      description = "Noise multiplier: standard deviation of the noise over the clip norm.")
  private double noise;

  /**
   * The run with this noise.
   *
   * @throws IllegalArgumentException if there is none, or a setting is out of its range
   */
  MechanismSpec spec(MechanismOptions mechanism) {
    if (!(noise > 0 && noise < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("--noise is " + noise + ", must be positive and finite");
    }
    return mechanism.spec(noise);
  }
}
