package palimpsest.testing;

/**
 * How much a test does: the default suite is quick, {@code -Dpalimpsest.test.full=true} asks for
 * everything.
 */
public final class FullTests {
  private FullTests() {}

  /** Whether the full suite was asked for. */
  public static boolean requested() {
    return Boolean.getBoolean("palimpsest.test.full");
  }

  /** A size that depends on the suite. */
  public static long size(long quick, long full) {
    return requested() ? full : quick;
  }
}
