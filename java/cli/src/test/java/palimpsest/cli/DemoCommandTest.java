package palimpsest.cli;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import palimpsest.engine.model.ModelFolder;
import palimpsest.synth.Synthesis;
import palimpsest.synth.demo.DemoData;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.Template;
import palimpsest.testing.Shared;

class DemoCommandTest {
  private static final long MOST_TOKENS = 150_000;

  /** Three standard deviations of a Poisson draw above the mean. */
  @Test
  void trainingReadsFewEnoughTokensForALaptop() {
    DemoData data = DemoData.load();
    Labels labels = DemoCommand.labels(data);
    try (ModelFolder folder = ModelFolder.open(Shared.smollm2())) {
      Template template =
          Synthesis.template(folder, Synthesis.tokenizer(folder), labels, DemoCommand.PROMPT);
      double sum = 0;
      double squares = 0;
      for (DemoData.Message message : data.messages()) {
        int length =
            template
                .encodeRecord(
                    labels.indexOf(message.label()),
                    message.text().getBytes(StandardCharsets.UTF_8),
                    DemoCommand.MAX_TOKENS)
                .ids()
                .length;
        sum += length;
        squares += (double) length * length;
      }
      double draws = (double) DemoCommand.BATCH * DemoCommand.STEPS / data.messages().size();
      double most = draws * sum + 3 * Math.sqrt(draws * squares);
      assertTrue(most <= MOST_TOKENS, "the demo reads up to " + Math.round(most) + " tokens");
    }
  }
}
