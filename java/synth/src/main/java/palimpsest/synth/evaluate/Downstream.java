package palimpsest.synth.evaluate;

import java.util.List;
import java.util.OptionalDouble;

/**
 * What classifiers learn from real records and from synthetic ones, and from the real ones by
 * private training, all tested on the same real records. It follows from real records without
 * noise, so it is for their owner.
 *
 * @param test how many records they were tested on
 * @param rows classifier by classifier
 */
public record Downstream(int test, List<Row> rows) {
  /** What a classifier was trained on, and how. */
  public enum Source {
    /** Real records, without privacy: as well as it can be done. */
    REAL,
    /** Synthetic records, without more privacy than they have. */
    SYNTHETIC,
    /** Real records by the private step, at the price of the synthetic set. */
    PRIVATE
  }

  /**
   * One classifier, trained several times.
   *
   * @param classifier what it is
   * @param records that it was trained on
   * @param runs of one seed each, at least one
   */
  public record Row(String classifier, Source source, int records, List<ClassifierScore> runs) {
    /** Copies the list. */
    public Row {
      runs = List.copyOf(runs);
      if (runs.isEmpty()) {
        throw new IllegalArgumentException("a classifier without a score");
      }
    }

    /**
     * The mean accuracy over the runs, rounded to whole records, with the interval that so many
     * test records leave; how far runs differ is {@link #deviation}.
     */
    public Proportion accuracy() {
      double right = runs.stream().mapToLong(run -> run.accuracy().successes()).average().orElse(0);
      return new Proportion(Math.round(right), runs.getFirst().accuracy().trials());
    }

    /** The mean over the runs. */
    public double macroF1() {
      return runs.stream().mapToDouble(ClassifierScore::macroF1).average().orElseThrow();
    }

    /** Of the accuracy of a run from their mean; 0 of one run. */
    public double deviation() {
      double mean = runs.stream().mapToDouble(Row::accuracy).average().orElseThrow();
      double squares = runs.stream().mapToDouble(run -> Math.pow(accuracy(run) - mean, 2)).sum();
      return runs.size() == 1 ? 0 : Math.sqrt(squares / (runs.size() - 1));
    }

    private static double accuracy(ClassifierScore run) {
      return run.accuracy().value();
    }
  }

  /** Copies the list. */
  public Downstream {
    rows = List.copyOf(rows);
  }

  /** Accuracy after training on one source over that after training on real records. */
  public OptionalDouble shareOfReal(String classifier, Source source) {
    OptionalDouble one = accuracy(classifier, source);
    OptionalDouble real = accuracy(classifier, Source.REAL);
    return one.isPresent() && real.isPresent() && real.getAsDouble() > 0
        ? OptionalDouble.of(one.getAsDouble() / real.getAsDouble())
        : OptionalDouble.empty();
  }

  private OptionalDouble accuracy(String classifier, Source source) {
    return rows.stream()
        .filter(row -> row.classifier().equals(classifier) && row.source() == source)
        .mapToDouble(row -> row.accuracy().value())
        .findFirst();
  }
}
