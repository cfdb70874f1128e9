package palimpsest.synth.evaluate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.OptionalDouble;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class DownstreamTest {
  private static Downstream.Row row(String name, Downstream.Source source, int... right) {
    return new Downstream.Row(
        name,
        source,
        100,
        java.util.Arrays.stream(right)
            .mapToObj(r ->
                new ClassifierScore(
                    new Proportion(r, 10),
                    new TreeMap<>(java.util.Map.of("a", r / 10.0, "b", 0.0))))
            .toList());
  }

  /** 6, 7 and 8 of 10: mean 7, deviation 1 of 10; macro F1 the mean of 0.3, 0.35 and 0.4. */
  @Test
  void aRowIsTheMeanOfItsRuns() {
    Downstream.Row row = row("net", Downstream.Source.REAL, 6, 7, 8);
    assertEquals(new Proportion(7, 10), row.accuracy());
    assertEquals(0.1, row.deviation(), 1e-12);
    assertEquals(0.35, row.macroF1(), 1e-12);
    assertEquals(0, row("net", Downstream.Source.REAL, 6).deviation());
    assertThrows(IllegalArgumentException.class, () -> row("net", Downstream.Source.REAL));
  }

  @Test
  void sharesAreOfTheSameClassifierOnRealRecords() {
    Downstream downstream =
        new Downstream(
            10,
            List.of(
                row("net", Downstream.Source.REAL, 8),
                row("net", Downstream.Source.SYNTHETIC, 6),
                row("bayes", Downstream.Source.SYNTHETIC, 5),
                row("none", Downstream.Source.REAL, 0),
                row("none", Downstream.Source.SYNTHETIC, 1)));
    assertEquals(0.75, share(downstream, "net", Downstream.Source.SYNTHETIC).getAsDouble(), 1e-12);
    assertEquals(OptionalDouble.empty(), share(downstream, "net", Downstream.Source.PRIVATE));
    assertEquals(OptionalDouble.empty(), share(downstream, "bayes", Downstream.Source.SYNTHETIC));
    assertEquals(OptionalDouble.empty(), share(downstream, "none", Downstream.Source.SYNTHETIC));
  }

  private static OptionalDouble share(
      Downstream downstream, String classifier, Downstream.Source source) {
    return downstream.shareOfReal(classifier, source);
  }
}
