package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.testing.TinyModels;

/** Which tensors a list of patterns stands for. */
class TensorPatternsTest {
  private static DecoderConfig config(String model) {
    return switch (model) {
      case "llama" -> TinyModels.llama();
      case "untied" -> TinyModels.untied();
      default -> TinyModels.gpt2();
    };
  }

  private static List<String> names(DecoderConfig config, String... patterns) {
    return new TensorPatterns(List.of(patterns))
        .of(config).stream().map(TensorNames.Slot::name).toList();
  }

  /** Against regular expressions, which say the same in other words. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ' ',
      value = {
        "llama * .*",
        "llama model.layers.*.mlp.* model\\.layers\\.\\d\\.mlp\\..*",
        "llama model.layers.1.* model\\.layers\\.1\\..*",
        "llama *norm* .*norm.*",
        "llama *.?_proj.weight .*\\.[qkvo]_proj\\.weight",
        "llama model.norm.weight model\\.norm\\.weight",
        "llama *.mlp.*,!*down* .*\\.mlp\\.(gate|up)_proj\\.weight",
        "llama !*down*,*.mlp.* .*\\.mlp\\.(gate|up)_proj\\.weight",
        "llama !model.embed_tokens.weight (?!model\\.embed_tokens).*",
        "llama !*.mlp.*,!*norm* (?!.*(\\.mlp\\.|norm)).*",
        "untied lm_head.* lm_head\\.weight",
        "gpt2 *.bias .*\\.bias",
        "gpt2 transformer.h.?.ln_1.* transformer\\.h\\.\\d\\.ln_1\\..*",
        "gpt2 h.?.ln_1.* transformer\\.h\\.\\d\\.ln_1\\..*",
        "gpt2 wte.weight,*attn* transformer\\.(wte\\.weight|.*attn.*)"
      })
  void patternsAreGlobsOfWholeNames(String model, String patterns, String expression) {
    List<String> expected =
        names(config(model)).stream()
            .filter(Pattern.compile(expression).asMatchPredicate())
            .toList();
    assertFalse(expected.isEmpty(), "of something");
    assertEquals(expected, names(config(model), patterns.split(",")));
  }

  @ParameterizedTest
  @CsvSource({
    "llama,model.layer.*,the pattern model.layer.* matches no tensor of this model",
    "llama,layers.0.mlp.down_proj.weight,matches no tensor",
    "llama,model.layers.0.mlp.down_proj,matches no tensor",
    "llama,model.layers.2.*,matches no tensor",
    "llama,lm_head.weight,lm_head.weight is tied: it is model.embed_tokens.weight",
    "llama,!nothing.*,the pattern !nothing.* matches no tensor",
    "llama,!*,leave nothing to train",
    "gpt2,h.0.mlp.*;!h.0.*,leave nothing to train"
  })
  void whatMatchesOrLeavesNothingIsRefusedInOneLineWithSomeNames(
      String model, String patterns, String said) {
    DecoderConfig config = config(model);
    IllegalArgumentException refused =
        assertThrows(IllegalArgumentException.class, () -> names(config, patterns.split(";")));
    assertTrue(refused.getMessage().contains(said), refused.getMessage());
    assertEquals(1, refused.getMessage().lines().count());
    assertTrue(refused.getMessage().length() < 600, refused.getMessage());
    List<String> all = names(config);
    assertTrue(refused.getMessage().contains(all.getFirst()), refused.getMessage());
    assertTrue(refused.getMessage().contains(all.getLast()), refused.getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "!", "!!a", "a b", "a\nb", "[a]", "ä", "a,b", "a!b"})
  void whatNoNameHoldsIsRefused(String pattern) {
    List<String> patterns = List.of(pattern);
    IllegalArgumentException refused =
        assertThrows(IllegalArgumentException.class, () -> new TensorPatterns(patterns));
    assertEquals(1, refused.getMessage().lines().count());
  }

  /** So that a run goes on with the same patterns in another order, and with no others. */
  @Test
  void theOrderSaysNothing() {
    TensorPatterns one = new TensorPatterns(List.of("*.mlp.*", "!*down*", "*.mlp.*"));
    TensorPatterns other = new TensorPatterns(List.of("!*down*", "*.mlp.*"));
    assertEquals(one, other);
    assertEquals(one.toString(), other.toString());
    assertFalse(one.isAll());
    assertTrue(new TensorPatterns(List.of()).isAll());
    assertEquals(TensorPatterns.ALL, new TensorPatterns(List.of()));
  }

  @Test
  void manyStarsTakeNoLonger() {
    String pattern = "*a".repeat(100);
    assertTimeoutPreemptively(
        Duration.ofSeconds(10),
        () ->
            assertThrows(IllegalArgumentException.class, () -> names(TinyModels.llama(), pattern)));
  }

  /** What is trained has a place, one behind the other, and nothing else has. */
  @ParameterizedTest
  @CsvSource({"llama,*.mlp.*", "llama,*norm*", "gpt2,*.bias;!*attn*", "gpt2,*", "untied,lm_head.*"})
  void aLayoutHoldsWhatIsTrainedAndNothingElse(String model, String patterns) {
    DecoderConfig config = config(model);
    TensorPatterns trained = new TensorPatterns(List.of(patterns.split(";")));
    WeightLayout layout = new WeightLayout(config, trained);
    List<TensorNames.Slot> slots = trained.of(config);
    assertEquals(slots.stream().mapToLong(TensorNames.Slot::size).sum(), layout.size());
    assertEquals(layout.size(), new TuningMethod.Full(trained).parameterCount(config));
    assertEquals(slots.size(), layout.matrices().size() + layout.vectors().size());
    for (TensorNames.Slot slot : TensorNames.of(config).slots()) {
      assertEquals(slots.stream().anyMatch(s -> s.name().equals(slot.name())), layout.holds(slot));
    }
    assertEquals(
        slots.stream().mapToInt(slot -> slot.role().height(slot.layer())).min().getAsInt(),
        layout.lowest());
    assertEquals(
        layout.matrices().size() + (layout.vectors().isEmpty() ? 0 : 1),
        layout.partOffsets().size());
  }
}
