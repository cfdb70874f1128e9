package palimpsest.cli;

import java.util.Locale;
import java.util.OptionalDouble;
import palimpsest.privacy.ClipRule;
import palimpsest.synth.text.InputException;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How gradients are clipped. */
final class ClipOptions {
  private static final double GAMMA = 0.01;
  private static final double QUANTILE = 0.5;
  private static final double RATE = 0.2;

  /** The rules. */
  enum Rule {
    FLAT,
    PER_LAYER,
    AUTOMATIC,
    QUANTILE;

    /** As on the command line. */
    String word() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  @Option(
      names = "--clip",
      defaultValue = "1",
      paramLabel = "C",
      description = "Clip norm (default 1); with --clip-rule quantile that of the first step.")
  private double norm;

  @Option(
      names = "--clip-rule",
      defaultValue = "flat",
      paramLabel = "RULE",
      converter = RuleConverter.class,
      description =
          "How gradients are clipped: flat (the whole to C, the default), per-layer (each block to its share of C),"
              + " automatic (all scaled to C) or quantile (C follows a quantile of the norms, by noisy counts that are"
              + " paid from the same epsilon); see docs/methods.md.")
  private Rule rule;

  @Option(
      names = "--clip-gamma",
      paramLabel = "G",
      description =
          "With automatic: gradients are scaled by C / (norm + G) (default " + GAMMA + ").")
  private Double gamma;

  @Option(
      names = "--clip-quantile",
      paramLabel = "Q",
      description =
          "With quantile: the share of norms that C is to cover (default " + QUANTILE + ").")
  private Double quantile;

  @Option(
      names = "--clip-rate",
      paramLabel = "R",
      description =
          "With quantile: a step moves C by a factor of at most about exp(R) (default "
              + RATE
              + ").")
  private Double rate;

  @Option(
      names = "--clip-count-noise",
      paramLabel = "S",
      description =
          "With quantile: noise on the counts, in records (default: the larger of a twentieth of the expected batch"
              + " and twice the noise multiplier).")
  private Double countNoise;

  /** C. */
  double norm() {
    return norm;
  }

  /**
   * The rule with its settings.
   *
   * @throws InputException if a setting of another rule is given
   */
  ClipRule rule() {
    refuse("--clip-gamma", gamma, Rule.AUTOMATIC);
    refuse("--clip-quantile", quantile, Rule.QUANTILE);
    refuse("--clip-rate", rate, Rule.QUANTILE);
    refuse("--clip-count-noise", countNoise, Rule.QUANTILE);
    return switch (rule) {
      case FLAT -> new ClipRule.Flat();
      case PER_LAYER -> new ClipRule.PerLayer();
      case AUTOMATIC -> new ClipRule.Automatic(gamma == null ? GAMMA : gamma);
      case QUANTILE ->
          new ClipRule.Quantile(
              quantile == null ? QUANTILE : quantile,
              rate == null ? RATE : rate,
              countNoise == null ? OptionalDouble.empty() : OptionalDouble.of(countNoise));
    };
  }

  private void refuse(String option, Double given, Rule owner) {
    if (given != null && rule != owner) {
      throw new InputException(option + ": --clip-rule " + rule.word() + " has no such setting");
    }
  }

  static final class RuleConverter implements ITypeConverter<Rule> {
    @Override
    public Rule convert(String text) {
      for (Rule rule : Rule.values()) {
        if (rule.word().equals(text)) {
          return rule;
        }
      }
      throw new TypeConversionException(
          "'" + text + "' is none of flat, per-layer, automatic and quantile");
    }
  }
}
