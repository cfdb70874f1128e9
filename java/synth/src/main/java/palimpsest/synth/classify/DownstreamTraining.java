package palimpsest.synth.classify;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongFunction;
import palimpsest.privacy.Calibration;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.ReleaseReport;
import palimpsest.synth.SynthesisListener;
import palimpsest.synth.TemporaryLedger;
import palimpsest.synth.evaluate.ClassifierScore;
import palimpsest.synth.evaluate.Downstream;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.text.Labels;

/**
 * Trains classifiers on real records, on synthetic ones and, by the private step, on the real ones
 * again, and tests them all on the same real records.
 *
 * <p>Nothing of it is released: the private runs pay into ledgers that go with them.
 */
public final class DownstreamTraining {
  /** What naive Bayes is called among classifiers. */
  public static final String NAIVE_BAYES = "naive Bayes";

  /** Of a private run: as many passes over the records as noise leaves any use for. */
  private static final int STEPS = 80;

  private static final long RECORDS_A_DRAW = 8;
  private static final long LARGEST_BATCH = 512;

  /**
   * A classifier that is trained once for each seed.
   *
   * @param name for tables
   * @param settings for a seed
   */
  public record Kind(String name, LongFunction<ClassifierSettings> settings) {}

  private final LabelledTexts real;
  private final LabelledTexts synthetic;
  private final LabelledTexts test;
  private final Labels labels;
  private final int seeds;
  private final Optional<MechanismSpec> mechanism;
  private final SynthesisListener listener;
  private long done;

  /**
   * @param real private records
   * @param test further real records, that none of the sets holds
   * @param labels of all of them
   * @param seeds how many times each classifier is trained
   * @param price what private training may cost; without, there is none
   */
  public DownstreamTraining(
      LabelledTexts real,
      LabelledTexts synthetic,
      LabelledTexts test,
      Labels labels,
      int seeds,
      Optional<ReleaseReport.Price> price,
      SynthesisListener listener) {
    this.real = real;
    this.synthetic = synthetic;
    this.test = test;
    this.labels = labels;
    this.seeds = seeds;
    this.mechanism = price.map(DownstreamTraining::mechanism);
    this.listener = listener;
  }

  /** Draws of an eighth of the records, at most {@value #LARGEST_BATCH}, at the release's price. */
  private static MechanismSpec mechanism(ReleaseReport.Price price) {
    MechanismSpec release = price.mechanism();
    long bound = (long) Math.ceil(release.expectedBatch() / release.samplingRate());
    long batch = Math.clamp(bound / RECORDS_A_DRAW, 1, LARGEST_BATCH);
    MechanismSpec unit =
        MechanismSpec.of(release.relation(), 1, 1, batch, bound, STEPS, release.delta());
    return Calibration.calibrate(unit, List.of(), price.epsilon());
  }

  /** Naive Bayes, which has no seed, and classifiers of the given kinds. */
  public Downstream run(List<Kind> kinds) {
    List<Downstream.Row> rows = new ArrayList<>();
    rows.add(naiveBayes(Downstream.Source.REAL, real));
    rows.add(naiveBayes(Downstream.Source.SYNTHETIC, synthetic));
    if (!kinds.isEmpty()) {
      listener.begin("classifiers", (long) kinds.size() * seeds * (mechanism.isPresent() ? 3 : 2));
    }
    for (Kind kind : kinds) {
      rows.add(row(kind, Downstream.Source.REAL, real));
      rows.add(row(kind, Downstream.Source.SYNTHETIC, synthetic));
      if (mechanism.isPresent()) {
        rows.add(row(kind, Downstream.Source.PRIVATE, real));
      }
    }
    return new Downstream(test.size(), rows);
  }

  private Downstream.Row naiveBayes(Downstream.Source source, LabelledTexts texts) {
    return new Downstream.Row(
        NAIVE_BAYES,
        source,
        texts.size(),
        List.of(
            ClassifierScore.of(
                test.labels(), test.texts().stream().map(texts.judge()::predict).toList())));
  }

  private Downstream.Row row(Kind kind, Downstream.Source source, LabelledTexts texts) {
    List<ClassifierScore> runs = new ArrayList<>();
    for (long seed = 1; seed <= seeds; seed++) {
      ClassifierSettings settings = kind.settings().apply(seed);
      try (Classifier classifier =
          source == Downstream.Source.PRIVATE
              ? privately(settings)
              : Classifier.train(texts, labels, settings)) {
        runs.add(classifier.score(test));
      }
      listener.done(++done);
    }
    return new Downstream.Row(kind.name(), source, texts.size(), runs);
  }

  private Classifier privately(ClassifierSettings settings) {
    MechanismSpec spec = mechanism.orElseThrow();
    try (SecretKey key = SecretKey.fromOperatingSystem();
        TemporaryLedger ledger = new TemporaryLedger(TemporaryLedger.usualParent(), spec)) {
      return Classifier.trainPrivately(
          real, labels, settings, ledger.startRun(List.of(), key), key);
    }
  }
}
