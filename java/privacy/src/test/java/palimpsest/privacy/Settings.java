package palimpsest.privacy;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;

/** Training runs of the tests, by the numbers that papers give. */
final class Settings {
  private Settings() {}

  static MechanismSpec of(double rate, double sigma, int steps, double delta) {
    return of(NeighbouringRelation.ADD_REMOVE, rate, sigma, steps, delta);
  }

  static MechanismSpec of(
      NeighbouringRelation relation, double rate, double sigma, int steps, double delta) {
    BigInteger threshold =
        new BigDecimal(rate)
            .multiply(new BigDecimal(BigInteger.ONE.shiftLeft(64)))
            .setScale(0, RoundingMode.CEILING)
            .toBigInteger();
    return new MechanismSpec(
        relation,
        sigma,
        1,
        threshold.longValue(),
        steps,
        delta,
        1,
        ProtectedUnit.RECORD,
        1,
        false,
        new ClipRule.Flat());
  }
}
