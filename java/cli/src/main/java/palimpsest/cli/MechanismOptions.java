package palimpsest.cli;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import palimpsest.privacy.ClipRule;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.synth.text.InputException;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;

/** The settings of a training run that the accountant needs besides the noise. */
final class MechanismOptions {
  private static final BigDecimal TWO_TO_64 = new BigDecimal(BigInteger.ONE.shiftLeft(64));

  @Option(
      names = "--rate",
      paramLabel = "Q",
      description =
          "Probability that a record is in a batch, in (0, 1]: batch size over data set size.")
  private Double rate;

  @Option(names = "--steps", paramLabel = "T", description = "Number of updates of the model.")
  private Integer steps;

  @Option(
      names = "--delta",
      paramLabel = "D",
      description =
          "The guarantee may fail with this probability, in (0, 1); well below 1 / records.")
  private Double delta;

  @Option(
      names = "--relation",
      defaultValue = "add-remove",
      paramLabel = "R",
      converter = RelationConverter.class,
      description = "Which data sets are neighbours: add-remove (default) or replace-one.")
  private NeighbouringRelation relation;

  @Option(
      names = "--max-records",
      defaultValue = "1",
      paramLabel = "K",
      description = "Protect a person who owns up to K records (default 1: protect a record).")
  private int maxRecords;

  double delta() {
    return given("--delta", delta);
  }

  OptionalDouble deltaIfGiven() {
    return delta == null ? OptionalDouble.empty() : OptionalDouble.of(delta);
  }

  OptionalInt stepsIfGiven() {
    return steps == null ? OptionalInt.empty() : OptionalInt.of(steps);
  }

  boolean rateGiven() {
    return rate != null;
  }

  NeighbouringRelation relation() {
    return relation;
  }

  ProtectedUnit unit() {
    return maxRecords > 1 ? ProtectedUnit.USER : ProtectedUnit.RECORD;
  }

  int recordsPerUnit() {
    return maxRecords;
  }

  private static <T> T given(String option, T value) {
    if (value == null) {
      throw new InputException("missing option " + option);
    }
    return value;
  }

  /**
   * The run with this noise; 0 stands for a run without noise, which is not private.
   *
   * @throws IllegalArgumentException naming the setting that is out of its range
   */
  MechanismSpec spec(double noiseMultiplier) {
    return new MechanismSpec(
        relation,
        noiseMultiplier,
        1,
        threshold(given("--rate", rate)),
        given("--steps", steps),
        delta(),
        1,
        unit(),
        maxRecords,
        noiseMultiplier == 0,
        new ClipRule.Flat());
  }

  /**
   * The rate as a threshold on 64-bit words, rounded up: never a smaller rate than was asked for.
   */
  private static long threshold(double rate) {
    if (!(rate > 0 && rate <= 1)) {
      throw new IllegalArgumentException("--rate is " + rate + ", must be in (0, 1]");
    }
    return new BigDecimal(rate)
        .multiply(TWO_TO_64)
        .setScale(0, RoundingMode.CEILING)
        .toBigInteger()
        .longValue();
  }

  /** How the relation is shown and read: {@code add-remove}, {@code replace-one}. */
  static String name(NeighbouringRelation relation) {
    return relation.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  static final class RelationConverter implements ITypeConverter<NeighbouringRelation> {
    @Override
    public NeighbouringRelation convert(String text) {
      for (NeighbouringRelation relation : NeighbouringRelation.values()) {
        if (name(relation).equals(text)) {
          return relation;
        }
      }
      throw new picocli.CommandLine.TypeConversionException(
          "'" + text + "' is neither add-remove nor replace-one");
    }
  }
}
