package palimpsest.synth.report;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The round numbers that an axis is cut at, from the last that is not above the data to the first
 * that is not below.
 *
 * @param first the lowest
 * @param step from one to the next: 1, 2 or 5 times a power of ten
 * @param steps at least 1
 */
record Ticks(BigDecimal first, BigDecimal step, int steps) {
  private static final int ABOUT = 5;

  /** About five steps over the data. */
  static Ticks of(double least, double most) {
    double span = most > least ? most - least : Math.max(1e-6, Math.abs(most));
    BigDecimal step = step(span / ABOUT);
    BigDecimal first = cut(least, step, RoundingMode.FLOOR);
    BigDecimal last = cut(most, step, RoundingMode.CEILING);
    return new Ticks(first, step, Math.max(1, last.subtract(first).divide(step).intValueExact()));
  }

  /** The least of 1, 2 and 5 times a power of ten that is not below. */
  private static BigDecimal step(double least) {
    BigDecimal power = BigDecimal.ONE.scaleByPowerOfTen((int) Math.floor(Math.log10(least)));
    for (int digit : new int[] {1, 2, 5}) {
      BigDecimal step = power.multiply(BigDecimal.valueOf(digit));
      if (step.doubleValue() >= least * (1 - 1e-9)) {
        return step;
      }
    }
    return power.scaleByPowerOfTen(1);
  }

  private static BigDecimal cut(double value, BigDecimal step, RoundingMode mode) {
    return new BigDecimal(value).divide(step, 0, mode).multiply(step);
  }

  /** From the lowest to the highest. */
  List<BigDecimal> all() {
    return IntStream.rangeClosed(0, steps)
        .mapToObj(i -> first.add(step.multiply(BigDecimal.valueOf(i))))
        .toList();
  }

  /** Where a value lies between the lowest (0) and the highest (1). */
  double place(double value) {
    return (value - first.doubleValue()) / (step.doubleValue() * steps);
  }
}
