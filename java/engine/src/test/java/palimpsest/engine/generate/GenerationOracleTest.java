package palimpsest.engine.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.KeyValueCache;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Stories260K;
import palimpsest.engine.model.StreamGroup;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.Oracle;
import palimpsest.testing.Shared;

/**
 * Trained models' continuation and logits, token by token, against an independent float64 program.
 */
class GenerationOracleTest {
  private static final int BEGIN = 1;

  private final JsonNode oracle = Oracle.read("stories260K");

  @TempDir Path temporary;

  private Decoder decoder() {
    Path path = temporary.resolve("stories");
    Stories260K.convert(Shared.file("data/weights/stories260K/stories260K.bin"), path);
    try (ModelFolder folder = ModelFolder.open(path)) {
      return new Decoder(folder, new ReferenceKernels(), false, 512);
    }
  }

  @Test
  void theGreedyContinuationIsTheOracles() {
    int[] expected = Oracle.ints(oracle.get("greedy_from_bos").get("ids"));
    assertEquals(BEGIN, expected[0]);
    GenerationSettings greedy =
        new GenerationSettings(1, expected.length - 1, 0, 0, 1, 0, Set.of(), 1);
    try (Decoder decoder = decoder();
        Generator generator =
            new Generator(TunedDecoder.of(decoder, null), new int[][] {{BEGIN}}, greedy)) {
      generator.generate(
          List.of(new Request(0, 0)),
          (index, position) -> 0,
          result ->
              assertArrayEquals(Arrays.copyOfRange(expected, 1, expected.length), result.tokens()));
    }
  }

  @Test
  void logitsThroughTheCacheAreTheOracles() {
    try (Decoder decoder = decoder()) {
      int[] ids = Oracle.ints(oracle.get("examples").get(1).get("ids"));
      assertLogits(oracle.get("logits_first16_of_example_1"), decoder, ids);
    }
  }

  @Test
  void logitsOfGpt2ThroughTheCacheAreTheOracles() {
    JsonNode gpt2 = Oracle.read("capp_gpt2");
    try (ModelFolder folder = ModelFolder.open(Shared.file("data/weights/capp_gpt2"));
        Decoder decoder = new Decoder(folder, new ReferenceKernels(), false, 512)) {
      int[] ids = Oracle.ints(gpt2.get("examples").get(2).get("ids"));
      assertLogits(gpt2.get("logits_example_2_float64"), decoder, ids);
    }
  }

  /** Token by token, against rows of logits after the first tokens. */
  private static void assertLogits(JsonNode expected, Decoder decoder, int[] ids) {
    try (TensorArena arena = new TensorArena()) {
      Activations activations =
          new Activations(
              decoder.config(), decoder.kernels(), 1, 1, 0, Activations.Purpose.FORWARD, arena);
      KeyValueCache cache =
          new KeyValueCache(decoder.config(), 1, ids.length, decoder.kernels(), arena);
      StreamGroup group = new StreamGroup(cache, 1, 1, arena);
      for (int t = 0; t < expected.size(); t++) {
        group.clear();
        group.add(0, t, ids[t]);
        decoder.decode(group, null, activations);
        Tensor logits = decoder.logits(new int[] {0}, 0, 1, activations);
        assertEquals(expected.get(t).size(), logits.cols());
        assertArrayEquals(
            Oracle.doubles(expected.get(t)), TinySetting.values(logits)[0], 1e-9, "after " + t);
      }
    }
  }
}
