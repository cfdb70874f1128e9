package palimpsest.synth.classify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.tensor.DType;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.OptimizerSpec;
import palimpsest.synth.ReleaseReport;
import palimpsest.synth.Schedule;
import palimpsest.synth.SynthesisListener;
import palimpsest.synth.evaluate.Downstream;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.evaluate.RankAgreement;
import palimpsest.synth.text.Labels;

class DownstreamTrainingTest {
  private static final WordVocabulary WORDS = WordVocabulary.of(ColourTexts.WORDS);
  private static final Labels LABELS = ColourTexts.LABELS;

  private static ClassifierSettings settings(long seed) {
    return ClassifierSettings.convolution(WORDS, 16, 16)
        .withMaxTokens(16)
        .withEpochs(12)
        .withOptimizer(
            new OptimizerSpec(
                new Optimizer.AdamW(1e-2, 0.9, 0.999, 1e-8, 0), Schedule.LINEAR, 5, 0.1))
        .withSeed(seed)
        .withExecution(new ExecutionSpec(DType.F32, 2, 256, 8, 1));
  }

  private static ReleaseReport.Price price(double epsilon) {
    return new ReleaseReport.Price(
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1, 50, 400, 10, 1e-3), epsilon);
  }

  private static Downstream downstream(
      LabelledTexts real, LabelledTexts synthetic, Optional<ReleaseReport.Price> price) {
    return new DownstreamTraining(
            real, synthetic, ColourTexts.of(120, 2), LABELS, 2, price, SynthesisListener.silent())
        .run(List.of(new DownstreamTraining.Kind("network", DownstreamTrainingTest::settings)));
  }

  private static double accuracy(Downstream downstream, Downstream.Source source) {
    return downstream.rows().stream()
        .filter(row -> row.classifier().equals("network") && row.source() == source)
        .findFirst()
        .orElseThrow()
        .accuracy()
        .value();
  }

  /** Texts with labels that mean nothing teach nothing; the real ones beside them do. */
  @Test
  void eachSourceIsTrainedOnItsOwnTexts() {
    LabelledTexts real = ColourTexts.of(400, 1);
    List<String> labels = new ArrayList<>(ColourTexts.of(300, 3).labels());
    Collections.shuffle(labels, new Random(1));
    LabelledTexts noise = new LabelledTexts(ColourTexts.of(300, 3).texts(), labels);
    Downstream downstream = downstream(real, noise, Optional.of(price(40)));
    assertEquals(5, downstream.rows().size());
    assertEquals(120, downstream.test());
    assertTrue(accuracy(downstream, Downstream.Source.REAL) > 0.9, downstream.toString());
    assertTrue(accuracy(downstream, Downstream.Source.SYNTHETIC) < 0.7, downstream.toString());
    double privately = accuracy(downstream, Downstream.Source.PRIVATE);
    assertTrue(privately > 0.5, downstream.toString());
    for (Downstream.Row row : downstream.rows()) {
      assertEquals(
          row.source() == Downstream.Source.SYNTHETIC ? 300 : 400, row.records(), row.toString());
      assertEquals(
          row.classifier().equals(DownstreamTraining.NAIVE_BAYES) ? 1 : 2, row.runs().size());
    }
  }

  /** At a price that buys nothing, private training learns nothing of the same records. */
  @Test
  void thePriceIsKept() {
    Downstream downstream =
        downstream(ColourTexts.of(400, 1), ColourTexts.of(60, 3), Optional.of(price(0.01)));
    assertTrue(accuracy(downstream, Downstream.Source.REAL) > 0.9, downstream.toString());
    assertTrue(accuracy(downstream, Downstream.Source.PRIVATE) < 0.7, downstream.toString());
  }

  /** All of it that is not private comes out the same again, and seeds differ. */
  @Test
  void figuresComeOutTheSameAgain() {
    LabelledTexts real = ColourTexts.of(60, 1);
    LabelledTexts synthetic = ColourTexts.of(60, 3);
    Downstream once = downstream(real, synthetic, Optional.empty());
    assertEquals(once, downstream(real, synthetic, Optional.empty()));
    assertEquals(4, once.rows().size());
  }

  /** A set like the real one ranks settings much as it does. */
  @Test
  void settingsThatDoWellOnOneSetDoWellOnTheOther() {
    assertEquals(16, SettingsRanking.grid(WORDS).stream().distinct().count());
    RankAgreement ranking =
        SettingsRanking.of(
            ColourTexts.of(300, 1),
            ColourTexts.of(300, 3),
            ColourTexts.of(200, 2),
            LABELS,
            WORDS,
            SynthesisListener.silent());
    assertEquals(16, ranking.configurations());
    assertTrue(ranking.spearman() > 0.4, ranking.toString());
  }
}
