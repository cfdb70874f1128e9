package palimpsest.cli;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import palimpsest.privacy.TuningTrials;
import palimpsest.privacy.TuningTrials.TruncatedNegativeBinomial;
import palimpsest.synth.text.InputException;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How many tuning runs are made: a distribution, fixed before the first of them. */
final class TrialOptions {
  @Option(
      names = "--distribution",
      required = true,
      paramLabel = "D",
      converter = LawConverter.class,
      description =
          "Of the number of runs K: poisson (K may be 0), geometric, logarithmic or negative-binomial.")
  private Law law;

  @Option(
      names = "--mean",
      required = true,
      paramLabel = "M",
      description = "Mean of K: above 1, or at least 1 for poisson.")
  private double mean;

  @Option(
      names = "--shape",
      paramLabel = "ETA",
      description =
          "Shape of negative-binomial, above -1; 1 is geometric, 0 logarithmic; a smaller one costs less.")
  private Double shape;

  /** The kinds of distribution that the theorems cover. */
  private enum Law {
    POISSON,
    GEOMETRIC,
    LOGARITHMIC,
    NEGATIVE_BINOMIAL;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /**
   * The distribution.
   *
   * @throws IllegalArgumentException if mean or shape is out of its range
   */
  TuningTrials trials() {
    if (law == Law.NEGATIVE_BINOMIAL && shape == null) {
      throw new InputException("--distribution negative-binomial needs a --shape");
    }
    if (law != Law.NEGATIVE_BINOMIAL && shape != null) {
      throw new InputException("--shape: belongs to --distribution negative-binomial alone");
    }
    return switch (law) {
      case POISSON -> new TuningTrials.Poisson(mean);
      case GEOMETRIC -> TruncatedNegativeBinomial.withMean(1, mean);
      case LOGARITHMIC -> TruncatedNegativeBinomial.withMean(0, mean);
      case NEGATIVE_BINOMIAL -> TruncatedNegativeBinomial.withMean(shape, mean);
    };
  }

  /** The name of the distribution, as it is given. */
  String distribution() {
    return law.toString();
  }

  /** The mean, as it is given. */
  double mean() {
    return mean;
  }

  static final class LawConverter implements ITypeConverter<Law> {
    @Override
    public Law convert(String text) {
      return Arrays.stream(Law.values())
          .filter(law -> law.toString().equals(text))
          .findFirst()
          .orElseThrow(() ->
              new TypeConversionException(
                  "'%s' is none of %s"
                      .formatted(
                          text,
                          Arrays.stream(Law.values())
                              .map(Law::toString)
                              .collect(Collectors.joining(", ")))));
    }
  }
}
