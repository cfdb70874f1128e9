package palimpsest.synth.classify;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.synth.OptimizerSpec;
import palimpsest.synth.Schedule;
import palimpsest.synth.SynthesisListener;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.evaluate.RankAgreement;
import palimpsest.synth.text.Labels;

/**
 * Whether settings of a classifier that do well on synthetic records do well on real ones: each is
 * scored once by training on most synthetic records and testing on the rest, and once by training
 * and testing on real records. Who tunes on the synthetic set sees the first ranking only.
 */
public final class SettingsRanking {
  /** Synthetic records that a ranking needs: a fifth of them is tested on. */
  public static final int FEWEST = 50;

  private static final int HELD_OUT = 5;
  private static final int[] FILTERS = {25, 100};
  private static final int[] EPOCHS = {2, 6};
  private static final double[] RATES = {2e-4, 8e-4, 3e-3, 1.2e-2};
  private static final int WARMUP = 10;

  private SettingsRanking() {}

  /** Convolutional networks of two sizes, at four rates, each trained for two lengths of time. */
  static List<ClassifierSettings> grid(WordVocabulary words) {
    List<ClassifierSettings> grid = new ArrayList<>();
    for (int filters : FILTERS) {
      for (int epochs : EPOCHS) {
        for (double rate : RATES) {
          grid.add(
              ClassifierSettings.convolution(words, 50, filters)
                  .withEpochs(epochs)
                  .withOptimizer(
                      new OptimizerSpec(
                          new Optimizer.AdamW(rate, 0.9, 0.999, 1e-8, 0.01),
                          Schedule.LINEAR,
                          WARMUP,
                          0.1)));
        }
      }
    }
    return grid;
  }

  /**
   * Ranks the same settings twice.
   *
   * @param test real records that {@code real} does not hold
   * @param labels of all three
   */
  public static RankAgreement of(
      LabelledTexts real,
      LabelledTexts synthetic,
      LabelledTexts test,
      Labels labels,
      WordVocabulary words,
      SynthesisListener listener) {
    LabelledTexts kept = part(synthetic, i -> i % HELD_OUT != 0);
    LabelledTexts held = part(synthetic, i -> i % HELD_OUT == 0);
    List<ClassifierSettings> grid = grid(words);
    listener.begin("ranking of settings", 2L * grid.size());
    long[] done = {0};
    ToDoubleFunction<ClassifierSettings> bySynthetic = s -> accuracy(kept, held, labels, s);
    ToDoubleFunction<ClassifierSettings> byReal = s -> accuracy(real, test, labels, s);
    List<double[]> scores = new ArrayList<>();
    for (ToDoubleFunction<ClassifierSettings> score : List.of(bySynthetic, byReal)) {
      double[] all = new double[grid.size()];
      for (int i = 0; i < all.length; i++) {
        all[i] = score.applyAsDouble(grid.get(i));
        listener.done(++done[0]);
      }
      scores.add(all);
    }
    return RankAgreement.of(scores.getFirst(), scores.getLast());
  }

  private static LabelledTexts part(LabelledTexts all, IntPredicate taken) {
    int[] rows = IntStream.range(0, all.size()).filter(taken).toArray();
    return new LabelledTexts(
        IntStream.of(rows).mapToObj(all.texts()::get).toList(),
        IntStream.of(rows).mapToObj(all.labels()::get).toList());
  }

  private static double accuracy(
      LabelledTexts train, LabelledTexts test, Labels labels, ClassifierSettings settings) {
    try (Classifier classifier = Classifier.train(train, labels, settings)) {
      return classifier.score(test).accuracy().value();
    }
  }
}
