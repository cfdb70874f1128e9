package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class FailureTest {
  @Test
  void ourOwnComplaintIsShownAsBadInput() {
    Failure failure = Failure.of(new IllegalArgumentException("rate 2: must be in (0, 1]"));
    assertEquals(new Failure("rate 2: must be in (0, 1]", ExitCode.BAD_INPUT), failure);
  }

  @Test
  void aParsersMessageIsNotShownSinceItQuotesItsInput() {
    IOException fromParser = null;
    try {
      new ObjectMapper().readTree("Jane Doe, flu");
    } catch (IOException e) {
      fromParser = e;
    }
    assertTrue(fromParser.getMessage().contains("Jane"), "the parser quotes");
    Failure failure = Failure.of(new UncheckedIOException(fromParser));
    assertFalse(failure.message().contains("Jane"), failure.message());
    assertEquals(ExitCode.FAILED, failure.exitCode());
  }

  @Test
  void aJavaMessageIsNotShownSinceItQuotesItsInput() {
    NumberFormatException fromJava = null;
    try {
      Integer.parseInt("Jane Doe");
    } catch (NumberFormatException e) {
      fromJava = e;
    }
    Failure failure = Failure.of(fromJava);
    assertFalse(failure.message().contains("Jane"), failure.message());
    assertTrue(
        failure.message().startsWith("internal error: NumberFormatException"), failure.message());
  }

  @Test
  void aMissingFileIsNamed() {
    IOException missing = null;
    try {
      Files.readString(Path.of("no-such-file"));
    } catch (IOException e) {
      missing = e;
    }
    assertEquals(
        new Failure("no-such-file: no such file", ExitCode.BAD_INPUT), Failure.of(missing));
  }

  @Test
  void aForbiddenFileIsNamed() {
    assertEquals("f: permission denied", Failure.of(new AccessDeniedException("f")).message());
  }
}
