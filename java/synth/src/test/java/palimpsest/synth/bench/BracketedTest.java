package palimpsest.synth.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.tensor.DType;

class BracketedTest {
  private static Bracketed.Round round(double a, double b, double probe, double others) {
    return new Bracketed.Round(
        new double[] {a, b}, new double[] {2 * b, b}, new double[] {probe, 200, 200}, others);
  }

  @Test
  void aRoundWithoutItsSecondCoreOrWithBusyNeighboursIsLeftOut() {
    Bracketed timing =
        new Bracketed(
            List.of(
                round(1.0, 1.0, 200, 0),
                round(9.0, 3.0, 100, 0),
                round(1.2, 1.0, 195, 0.05),
                round(1.1, 1.0, 181, 0.1),
                round(7.0, 2.0, 200, 0.5)),
            2,
            100,
            200);
    assertEquals(3, timing.whole().size());
    assertTrue(timing.undisturbed());
    assertEquals(1.1, timing.seconds(0).median(), 1e-12);
    assertEquals(1.1, timing.ratio(0, 1).median(), 1e-12);
    assertEquals(3 / 1.1 / 190.5, timing.fraction(0, 3e9).median(), 1e-12);
    assertEquals(2, timing.processorRatio(0, 1).median(), 1e-12);
    assertEquals(8e9 / 2 / 1e9 / 100, timing.processorFraction(0, 8e9).median(), 1e-12);
    assertEquals("3 of 5 rounds undisturbed", timing.quality());
  }

  @Test
  void withTooFewWholeRoundsAllCountAndItSaysSo() {
    Bracketed timing =
        new Bracketed(
            List.of(round(1, 1, 200, 0), round(2, 1, 100, 0), round(3, 1, 100, 0)), 2, 190, 200);
    assertFalse(timing.undisturbed());
    assertEquals(2, timing.seconds(0).median());
    assertTrue(timing.quality().contains("1 of 3 rounds"), timing.quality());
    assertTrue(timing.quality().contains("cores are missing"), timing.quality());
  }

  @Test
  void workloadsTakeTurns() {
    StringBuilder order = new StringBuilder();
    List<Integer> done = new ArrayList<>();
    try (CpuKernels kernels = new CpuKernels(DType.F32);
        PeakProbe probe = new PeakProbe(kernels, 2)) {
      Bracketed timing =
          Bracketed.run(
              probe, 3, List.of(() -> order.append('a'), () -> order.append('b')), done::add);
      assertEquals("abababab", order.toString());
      assertEquals(List.of(1, 2, 3), done);
      assertTrue(timing.bestPeak() > 0 && timing.onePeak() > 0);
    }
  }

  @Test
  void percentilesAreThoseOfTheValues() {
    Spread spread = Spread.of(5, 1, 4, 2, 3, 6);
    assertEquals(3.5, spread.median(), 1e-12);
    assertEquals(2, spread.p20(), 1e-12);
    assertEquals(5, spread.p80(), 1e-12);
    assertEquals(7, Spread.of(7).p80());
    assertThrows(IllegalArgumentException.class, () -> Spread.of());
  }
}
