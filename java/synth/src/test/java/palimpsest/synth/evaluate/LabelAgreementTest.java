package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class LabelAgreementTest {
  private static final NaiveBayes JUDGE =
      NaiveBayes.train(List.of("red apple", "blue sea"), List.of("fruit", "water"));

  @Test
  void countsByLabel() {
    LabelAgreement agreement =
        LabelAgreement.of(
            JUDGE,
            List.of("apple", "red", "sea", "sea", "blue"),
            List.of("fruit", "fruit", "fruit", "water", "water"));
    assertEquals(new Proportion(4, 5), agreement.overall());
    assertEquals(
        Map.of("fruit", new Proportion(2, 3), "water", new Proportion(2, 2)), agreement.byLabel());
    assertEquals(
        Map.of("fruit", Map.of("fruit", 2L, "water", 1L), "water", Map.of("water", 2L)),
        agreement.confusion());
    assertEquals((2.0 / 3 + 1) / 2, agreement.meanOfLabels(), 1e-15);
  }

  @Test
  void aLabelTheJudgeNeverSawIsNeverRight() {
    LabelAgreement agreement = LabelAgreement.of(JUDGE, List.of("apple"), List.of("stone"));
    assertEquals(new Proportion(0, 1), agreement.overall());
    assertThrows(
        IllegalArgumentException.class, () -> LabelAgreement.of(JUDGE, List.of("a"), List.of()));
  }
}
