package palimpsest.cli;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/**
 * Figures of a guarantee, rounded so that what is shown never promises more than what was computed.
 */
final class Numbers {
  private static final int DIGITS = 5;

  private Numbers() {}

  /** An upper bound in a few digits, rounded up; {@code inf} for infinity. */
  static String upper(double value) {
    return rounded(value, RoundingMode.CEILING);
  }

  /** A lower bound in a few digits, rounded down; {@code inf} for infinity. */
  static String lower(double value) {
    return rounded(value, RoundingMode.FLOOR);
  }

  private static String rounded(double value, RoundingMode mode) {
    if (Double.isInfinite(value)) {
      return value > 0 ? "inf" : "-inf";
    }
    return new BigDecimal(value)
        .round(new MathContext(DIGITS, mode))
        .stripTrailingZeros()
        .toString();
  }
}
