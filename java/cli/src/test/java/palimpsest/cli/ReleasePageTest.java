package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReleasePageTest {
  @TempDir Path folder;

  /** A run that was paid for does not fail for its page. */
  @Test
  void aPageThatCannotBeMadeIsSaidAndNothingElseIsLost() throws IOException {
    Files.writeString(folder.resolve("synthetic.jsonl"), "{}");
    List<String> said = new ArrayList<>();
    ReleasePage.write(folder, said::add);
    assertEquals(1, said.size());
    assertTrue(said.getFirst().contains("palimpsest report " + folder), said.toString());
    assertFalse(Files.exists(folder.resolve(ReleasePage.NAME)));
    assertEquals("{}", Files.readString(folder.resolve("synthetic.jsonl")));
  }
}
