package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.privacy.Waiver;

/** What the owner declares public comes out in both forms of the statement, and nothing else. */
class WaiversTest {
  @TempDir Path folder;

  private void run(Set<Waiver> waivers) throws IOException {
    TinySetting setting = new TinySetting(folder);
    Synthesis.run(
        setting.model(),
        setting.source(),
        TinySetting.PROMPT,
        TinySetting.settings(8, 2),
        SamplingSettings.of(0),
        TinySetting.execution(),
        waivers,
        setting.destination(false),
        SynthesisListener.silent());
    String text = Files.readString(setting.out().resolve(Synthesis.STATEMENT_TEXT));
    JsonNode json =
        new ObjectMapper().readTree(setting.out().resolve(Synthesis.STATEMENT_JSON).toFile());
    List<String> names = new ArrayList<>();
    json.get("waivers").forEach(name -> names.add(name.asText()));
    assertEquals(waivers.stream().sorted().map(Waiver::name).toList(), names);
    for (Waiver waiver : Waiver.values()) {
      assertEquals(waivers.contains(waiver), text.contains(waiver.sentence()), waiver.name());
    }
  }

  @Test
  void everyWaiverIsStated() throws IOException {
    run(EnumSet.allOf(Waiver.class));
  }

  @Test
  void oneWaiverIsStatedAlone() throws IOException {
    run(Set.of(Waiver.LABELS_ARE_PUBLIC));
  }

  @Test
  void withoutWaiversNoneIsStated() throws IOException {
    run(Set.of());
  }
}
