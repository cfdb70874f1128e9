package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.generate.HeldOutLoss;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.synth.evaluate.Perplexity;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Template;
import palimpsest.synth.text.Tokenizer;

class TextPerplexityTest {
  private static final ExecutionSpec EXECUTION = new ExecutionSpec(DType.F32, 2, 64, 4, 2);
  @TempDir Path folder;

  /** By whole passes over one text at a time, behind the token that begins it. */
  private static double nats(Path model, String text) {
    try (ModelFolder folder = ModelFolder.open(model);
        Kernels kernels = Synthesis.kernels(EXECUTION);
        Workers workers = new Workers(1, "test");
        TensorArena arena = new TensorArena();
        TunedDecoder decoder = TunedDecoder.untuned(folder, kernels, 40)) {
      Tokenizer tokenizer = Synthesis.tokenizer(folder);
      int[] ids = tokenizer.encode(text);
      int[] all = new int[ids.length + 1];
      all[0] =
          folder
              .config()
              .beginId()
              .orElseGet(() ->
                  folder.config().endId().orElseGet(() -> Template.Control.of(tokenizer).end()));
      System.arraycopy(ids, 0, all, 1, ids.length);
      return new HeldOutLoss(decoder, workers, 40, arena).of(all);
    }
  }

  @Test
  void isThatOfEachTextFromItsBeginning() throws IOException {
    Path model = new TinySetting(folder).model();
    List<String> texts = new ArrayList<>();
    double nats = 0;
    for (int i = 0; i < 70; i++) {
      texts.add("a text, number " + i);
      nats += nats(model, texts.getLast());
    }
    List<Perplexity> both = TextPerplexity.of(model, List.of(texts, List.of("x")), 30, EXECUTION);
    assertEquals(1, both.getFirst().nats() / nats, 1e-5);
    assertEquals(nats(model, "x"), both.getLast().nats(), 1e-4);
    assertEquals(
        Math.exp(both.getFirst().nats() / both.getFirst().tokens()), both.getFirst().value());
  }

  /** Only the beginning of a long text is read, and what has no token has no perplexity. */
  @Test
  void longTextsAreCut() throws IOException {
    Path model = new TinySetting(folder).model();
    Perplexity cut =
        TextPerplexity.of(model, List.of(List.of("word ".repeat(100))), 12, EXECUTION).getFirst();
    assertEquals(12, cut.tokens());
    assertTrue(
        Double.isNaN(
            TextPerplexity.of(model, List.of(List.of("")), 12, EXECUTION).getFirst().value()));
  }

  /** A model that was tuned on private records would be no public one. */
  @Test
  void aTunedModelIsRefused() throws IOException {
    Path model = new TinySetting(folder).model();
    Files.writeString(model.resolve(ModelFolder.CARD), "{}");
    assertThrows(
        InputException.class, () -> TextPerplexity.of(model, List.of(List.of("x")), 12, EXECUTION));
  }
}
