package palimpsest.privacy;

/**
 * What is known of the smallest epsilon of an account at one delta.
 *
 * @param lower no smaller epsilon can be true
 * @param upper the epsilon to state: guaranteed; infinite when no finite value is
 * @param renyi an upper bound from Renyi accounting, independent of {@code upper} and looser
 */
public record EpsilonBracket(double lower, double upper, double renyi) {
  /** Throws {@link IllegalArgumentException} unless 0 <= lower <= upper and renyi is at least 0. */
  public EpsilonBracket {
    if (!(lower >= 0 && lower <= upper && renyi >= 0)) {
      throw new IllegalArgumentException(
          "epsilon bracket: need 0 <= lower <= upper and renyi >= 0, got "
              + lower
              + ", "
              + upper
              + ", "
              + renyi);
    }
  }
}
