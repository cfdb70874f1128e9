package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import palimpsest.testing.FullTests;

/** What the Fourier transform gives, and what is charged for it, against decimal arithmetic. */
class CompositionTest {
  /** The charges of lemma 7, in units of infinite mass and Chernoff's bound. */
  private static final double TRANSFORM = 1e-14;

  private static final double OUTSIDE = 2e-14;
  private static final double QUADRATURE = 1e-11;

  /** What rounding does to these tests' own comparisons. */
  private static final double ULPS = 2e-15;

  private record Sum(Composition bounds, ExactSum exact, long count, double roundOff) {
    double charge() {
      return QUADRATURE + OUTSIDE + TRANSFORM * count + roundOff;
    }

    /** From no loss to more than the largest. */
    double[] epsilons(Random random) {
      double largest = Math.max(exact.step().doubleValue(), exact.largest());
      return random.doubles(6, 0, 1.1 * largest).toArray();
    }
  }

  /**
   * Masses from equal ones to some of 1e-30, steps from 1e-3 to 3, infinite losses now and then.
   */
  private static List<Sum> sums(Random random) {
    List<Sum> sums = new ArrayList<>();
    for (int round = 0; round < FullTests.size(30, 600); round++) {
      double step = Math.pow(10, 3.5 * random.nextDouble() - 3);
      List<Composition.Part> parts = new ArrayList<>();
      for (int i = 0; i <= round % 2; i++) {
        parts.add(new Composition.Part(pmf(step, random), 1 + random.nextInt(60)));
      }
      long count = parts.stream().mapToLong(Composition.Part::count).sum();
      double roundOff =
          parts.stream().mapToDouble(part -> part.count() * part.pmf().roundOff).sum();
      sums.add(new Sum(new Composition(parts), ExactSum.of(parts), count, roundOff));
    }
    return sums;
  }

  private static LossPmf pmf(double step, Random random) {
    double infinity = random.nextInt(3) == 0 ? Math.pow(10, -1 - 12 * random.nextDouble()) : 0;
    double decades = new double[] {0, 3, 12, 30}[random.nextInt(4)];
    double[] mass = new double[2 + random.nextInt(5)];
    double sum = 0;
    for (int i = 0; i < mass.length; i++) {
      mass[i] = Math.pow(10, -decades * random.nextDouble()) * (0.1 + random.nextDouble());
      sum += mass[i];
    }
    for (int i = 0; i < mass.length; i++) {
      mass[i] *= (1 - infinity) / sum;
    }
    double shift = random.nextBoolean() ? 0 : step * random.nextDouble();
    double roundOff = random.nextBoolean() ? 0 : 1e-12 * random.nextDouble();
    return new LossPmf(random.nextInt(5) - 3, mass, step, shift, infinity, roundOff);
  }

  private static void assertNotBelow(double bound, BigDecimal exact, double epsilon) {
    assertTrue(
        new BigDecimal(bound + Double.MIN_VALUE).compareTo(exact.min(BigDecimal.ONE)) >= 0,
        () -> "upper bound " + bound + " below " + exact + " at epsilon " + epsilon);
  }

  private static void assertNotAbove(double bound, BigDecimal exact, double epsilon) {
    assertTrue(
        new BigDecimal(bound).compareTo(exact) <= 0,
        () -> "lower bound " + bound + " above " + exact + " at epsilon " + epsilon);
  }

  @Test
  void deltaIsEnclosed() {
    Random random = new Random(1);
    for (Sum sum : sums(random)) {
      for (double epsilon : sum.epsilons(random)) {
        BigDecimal exact = sum.exact.delta(epsilon);
        assertNotBelow(sum.bounds.deltaAbove(epsilon), exact, epsilon);
        assertNotAbove(sum.bounds.deltaBelow(epsilon), exact, epsilon);
      }
    }
  }

  /** In a sum of ten million losses the rounding of each is seen: more than 1e-11 in all. */
  @Test
  void deltaOfTenMillionLossesIsEnclosed() {
    int count = 10_000_000;
    Random random = new Random(2);
    for (int round = 0; round < 6; round++) {
      double atStep = (0.5 + random.nextDouble()) * 1e-3;
      double step = 0.002 + 0.02 * random.nextDouble();
      double mean = count * atStep;
      int terms = (int) (mean + 25 * Math.sqrt(mean));
      ExactSum exact = ExactSum.binomial(1 - atStep, atStep, step, count, terms);
      LossPmf one = new LossPmf(0, new double[] {1 - atStep, atStep}, step, 0, 0);
      Composition bounds = new Composition(List.of(new Composition.Part(one, count)));
      for (int deviations = -2; deviations <= 6; deviations += 2) {
        double epsilon = step * (mean + deviations * Math.sqrt(mean));
        BigDecimal delta = exact.delta(epsilon);
        assertNotBelow(bounds.deltaAbove(epsilon), delta, epsilon);
        assertNotAbove(bounds.deltaBelow(epsilon), delta, epsilon);
      }
    }
  }

  /** Of the charge, the part for the transform and for what lies outside its window. */
  @Test
  void theTransformIsAsCloseAsIsCharged() {
    Random random = new Random(3);
    for (Sum sum : sums(random)) {
      for (double epsilon : sum.epsilons(random)) {
        Composition.Uncharged raw = sum.bounds.delta(epsilon);
        double error = sum.exact.delta(epsilon).subtract(new BigDecimal(raw.delta())).doubleValue();
        double allowed = (OUTSIDE + TRANSFORM * sum.count) * raw.unit() + Double.MIN_VALUE;
        assertTrue(Math.abs(error) <= allowed, () -> error + " of " + raw + " at " + epsilon);
      }
    }
  }

  @Test
  void deltaIsChargedEveryMargin() {
    Random random = new Random(4);
    for (Sum sum : sums(random)) {
      for (double epsilon : sum.epsilons(random)) {
        Composition.Uncharged raw = sum.bounds.delta(epsilon);
        double charge = sum.charge() * raw.unit();
        double rounding = ULPS * (raw.delta() + charge) + Double.MIN_NORMAL;
        double above = sum.bounds.deltaAbove(epsilon) - raw.delta();
        double below = raw.delta() - sum.bounds.deltaBelow(epsilon);
        assertTrue(
            above >= charge - rounding || sum.bounds.deltaAbove(epsilon) == 1,
            () -> "above " + above + " of " + charge + " for " + raw);
        assertTrue(
            below >= charge - rounding || sum.bounds.deltaBelow(epsilon) == 0,
            () -> "below " + below + " of " + charge + " for " + raw);
      }
    }
  }

  /** Epsilon is where delta, with what is charged, is still met. */
  @Test
  void epsilonIsEnclosedAndCharged() {
    Random random = new Random(5);
    for (Sum sum : sums(random)) {
      for (int i = 0; i < 3; i++) {
        double infinity = sum.exact.infinity().doubleValue();
        double delta = infinity + (1 - infinity) * Math.pow(10, -0.3 - 12 * random.nextDouble());
        double above = sum.bounds.epsilonAbove(delta);
        double below = sum.bounds.epsilonBelow(delta);
        BigDecimal wanted = new BigDecimal(delta);
        if (Double.isInfinite(above)) {
          // So little is left beside the infinite mass that the charge takes it.
          assertTrue(delta <= infinity * (1 + sum.charge() + ULPS), () -> delta + " of " + sum);
          continue;
        }
        double spare = wanted.subtract(sum.exact.delta(above)).doubleValue();
        double excess = sum.exact.delta(below).subtract(wanted).doubleValue();
        double rounding = ULPS * delta;
        assertTrue(
            spare >= charge(sum, above) - rounding, () -> "above " + above + " spares " + spare);
        assertTrue(
            below == 0 || excess >= charge(sum, below) - rounding,
            () -> "below " + below + " exceeds by " + excess);
      }
    }
  }

  /** At the best tilt, which the code's own is close to. */
  private static double charge(Sum sum, double epsilon) {
    return sum.charge() * (sum.exact.infinity().doubleValue() + sum.exact.chernoff(epsilon));
  }
}
