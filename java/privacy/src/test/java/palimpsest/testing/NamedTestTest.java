package palimpsest.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Only a failure of the very test tells of a planted fault. */
class NamedTestTest {
  /** Not found by a build tool: its name does not end as a test's does. */
  static class Sample {
    @Test
    void passes() {
      assertTrue(true);
    }

    @Test
    void fails() {
      fail("as it must");
    }

    @Test
    void isSkipped() {
      Assumptions.abort("not here");
    }

    @Test
    void doesNotFit() {
      throw new NoSuchMethodError("of another version");
    }

    static IntStream numbers() {
      return IntStream.of(1, 2);
    }

    @ParameterizedTest
    @MethodSource("numbers")
    void failsForTwo(int number) {
      assertEquals(1, number);
    }
  }

  /** As {@link Sample}, but never gets to its test. */
  static class Unready {
    @BeforeAll
    static void prepare() {
      throw new IllegalStateException("unready");
    }

    @Test
    void passes() {
      assertTrue(true);
    }
  }

  private static int run(String method) {
    return NamedTest.run(Sample.class.getName(), method);
  }

  @Test
  void onlyATestThatFailsCounts() {
    assertEquals(NamedTest.PASSED, run("passes"));
    assertEquals(NamedTest.FAILED, run("fails"));
    assertEquals(NamedTest.FAILED, run("failsForTwo"));
    assertEquals(NamedTest.NOT_RUN, run("isSkipped"));
    assertEquals(NamedTest.NOT_RUN, run("isNotThere"));
    assertEquals(NamedTest.BROKEN, run("doesNotFit"));
    assertEquals(NamedTest.BROKEN, NamedTest.run(Unready.class.getName(), "passes"));
  }
}
