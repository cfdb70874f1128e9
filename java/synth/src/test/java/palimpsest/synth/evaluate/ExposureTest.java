package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ExposureTest {
  private static final double LOG2_1001 = Math.log(1001) / Math.log(2);

  private static Exposure.Case numbered(int decoys) {
    return new Exposure.Case(
        "context", "secret", IntStream.range(0, decoys).mapToObj(i -> "decoy" + i).toList());
  }

  /** Gives the secret the score s and decoy i the score i. */
  private static Exposure.Result place(double s) {
    return Exposure.of(
            List.of(numbered(1000)),
            (_, _, strings) ->
                strings.stream()
                    .mapToDouble(t -> t.equals("secret") ? s : Integer.parseInt(t.substring(5)))
                    .toArray())
        .results()
        .getFirst();
  }

  @Test
  void ranksByHand() {
    assertEquals(1, place(5000).rank());
    assertEquals(LOG2_1001, place(5000).exposure(), 1e-12);
    assertEquals(1 / 1001.0, place(5000).pValue(), 1e-15);
    assertEquals(1001, place(-1).rank());
    assertEquals(0, place(-1).exposure(), 1e-12);
    assertEquals(1, place(-1).pValue());
    assertEquals(new Exposure.Result(7, 0, 1001), place(992.5));
    assertEquals(LOG2_1001 - 3, place(992.5).exposure(), 1e-12);
    assertEquals(new Exposure.Result(7, 1, 1001), place(992));
  }

  @Test
  void aModelThatTellsNothingApartExposesNothing() {
    Exposure flat =
        Exposure.of(List.of(numbered(1000)), (_, _, strings) -> new double[strings.size()]);
    assertEquals(501, flat.results().getFirst().rank());
    assertEquals(1, flat.max(), 0.01);
    assertEquals(1, flat.combinedPValue());
  }

  @Test
  void theScorerGetsEachCaseWhole() {
    List<String> seen = new ArrayList<>();
    List<Exposure.Case> cases =
        List.of(
            new Exposure.Case("one ", "a", List.of("b", "c")),
            new Exposure.Case("two ", "d", List.of("e")));
    Exposure.of(
        cases,
        (index, context, strings) -> {
          seen.add(index + context + strings.stream().sorted().toList());
          return new double[strings.size()];
        });
    assertEquals(List.of("0one [a, b, c]", "1two [d, e]"), seen);
  }

  /** Under the null: the stated mean, and p-values that are small no oftener than they say. */
  @Test
  void calibratedWhenNothingWasLearned() {
    Random random = new Random(4);
    List<Exposure.Case> cases = Collections.nCopies(30, numbered(1000));
    int trials = 300;
    double mean = 0;
    int small = 0;
    for (int t = 0; t < trials; t++) {
      Exposure exposure = Exposure.of(cases, (_, _, s) -> random.doubles(s.size()).toArray());
      mean += exposure.mean() / trials;
      small += exposure.combinedPValue() <= 0.1 ? 1 : 0;
    }
    assertEquals(Exposure.MEAN_UNDER_NULL, mean, 0.06);
    assertTrue(small > 10 && small < 50, "p <= 0.1 in " + small + " of " + trials);
  }

  /** Fisher's method for two p-values: p1 p2 (1 - ln(p1 p2)). */
  @Test
  void combinedPValueByHand() {
    Exposure one = new Exposure(List.of(new Exposure.Result(9, 0, 1000)));
    assertEquals(0.01, one.combinedPValue(), 1e-15);
    Exposure two =
        new Exposure(List.of(new Exposure.Result(9, 0, 1000), new Exposure.Result(49, 0, 1000)));
    double product = 0.01 * 0.05;
    assertEquals(product * (1 - Math.log(product)), two.combinedPValue(), 1e-15);
    Exposure many = new Exposure(Collections.nCopies(2000, new Exposure.Result(0, 0, 1001)));
    assertEquals(0, many.combinedPValue());
  }

  @Test
  void refusesWhatCannotBeRanked() {
    List<Exposure.Case> cases = List.of(numbered(3));
    for (double[] scores :
        new double[][] {{1, 2, 3}, {1, 2, 3, Double.NaN}, {Double.NEGATIVE_INFINITY, 2, 3, 4}}) {
      IllegalArgumentException thrown =
          assertThrows(
              IllegalArgumentException.class, () -> Exposure.of(cases, (_, _, _) -> scores));
      assertFalse(thrown.getMessage().contains("secret\""));
    }
    assertThrows(
        IllegalArgumentException.class, () -> Exposure.of(List.of(), (_, _, _) -> new double[0]));
    assertThrows(
        IllegalArgumentException.class, () -> new Exposure.Case("", "s", List.of("d", "s")));
    assertThrows(IllegalArgumentException.class, () -> new Exposure.Case("", "s", List.of()));
  }
}
