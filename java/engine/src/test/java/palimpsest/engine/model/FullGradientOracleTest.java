package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.Oracle;
import palimpsest.testing.Shared;

/**
 * Losses and per-example gradients by every parameter of two trained models, against an independent
 * float64 program (automatic differentiation).
 */
class FullGradientOracleTest {
  private static final Map<Role, String> STORIES =
      Map.ofEntries(
          Map.entry(Role.EMBEDDING, "token_embedding"),
          Map.entry(Role.ATTENTION_NORM, "rms_att"),
          Map.entry(Role.QUERY, "wq"),
          Map.entry(Role.KEY, "wk"),
          Map.entry(Role.VALUE, "wv"),
          Map.entry(Role.ATTENTION_OUTPUT, "wo"),
          Map.entry(Role.FEED_FORWARD_NORM, "rms_ffn"),
          Map.entry(Role.GATE, "w1"),
          Map.entry(Role.DOWN, "w2"),
          Map.entry(Role.UP, "w3"),
          Map.entry(Role.FINAL_NORM, "rms_final"));

  @TempDir Path temporary;

  /** The name under which the oracle adds up a tensor's square. */
  @FunctionalInterface
  private interface Naming {
    String of(TensorNames.Slot slot);
  }

  @Test
  void gpt2() {
    try (ModelFolder folder = ModelFolder.open(Shared.file("data/weights/capp_gpt2"))) {
      check(folder, Oracle.read("capp_gpt2"), TensorNames.Slot::name);
    }
  }

  @Test
  void llama() {
    Path folder = temporary.resolve("stories");
    Stories260K.convert(Shared.file("data/weights/stories260K/stories260K.bin"), folder);
    try (ModelFolder model = ModelFolder.open(folder)) {
      check(model, Oracle.read("stories260K"), slot -> STORIES.get(slot.role()));
    }
  }

  /** All examples in one group. */
  private static void check(ModelFolder folder, JsonNode oracle, Naming naming) {
    JsonNode examples = oracle.get("examples");
    int rows = 0;
    for (JsonNode example : examples) {
      rows += example.get("ids").size() - 1;
    }
    ReferenceKernels kernels = new ReferenceKernels();
    try (TensorArena arena = new TensorArena();
        Decoder decoder = new Decoder(folder, kernels, true, folder.config().contextLength())) {
      TokenGroup group = new TokenGroup(rows, examples.size(), kernels.wide(), arena);
      for (JsonNode example : examples) {
        group.add(Oracle.ints(example.get("ids")), 0);
      }
      Activations activations =
          new Activations(
              folder.config(), kernels, rows, rows, 0, Activations.Purpose.BACKWARD, arena);
      activations.poison();
      FullGradients gradients = new FullGradients(decoder, group, arena);
      decoder.forward(group, null, activations);
      decoder.backward(group, null, activations, gradients);
      for (int e = 0; e < examples.size(); e++) {
        checkLoss(examples.get(e), group, activations, e);
        checkGradient(examples.get(e), folder.config(), gradients, e, naming);
      }
    }
  }

  private static void checkLoss(
      JsonNode expected, TokenGroup group, Activations activations, int example) {
    double sum = 0;
    int from = group.headStart(example);
    int to = group.headStart(example + 1);
    for (int i = from; i < to; i++) {
      sum += activations.nll(i);
    }
    assertClose(expected.get("loss").asDouble(), sum / (to - from), "loss of example " + example);
  }

  private static void checkGradient(
      JsonNode expected,
      DecoderConfig config,
      FullGradients gradients,
      int example,
      Naming naming) {
    Map<String, Double> squares = new HashMap<>();
    for (TensorNames.Slot slot : TensorNames.of(config).slots()) {
      squares.merge(
          naming.of(slot),
          gradients.square(example, slot.role(), slot.layer(), slot.bias()),
          Double::sum);
    }
    double total = squares.values().stream().mapToDouble(Double::doubleValue).sum();
    JsonNode parameters = expected.get("grad_sq_by_param");
    assertEquals(parameters.size(), squares.size(), "parameters");
    for (Iterator<String> names = parameters.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      assertClose(
          parameters.get(name).asDouble(), squares.get(name), name + " of example " + example);
    }
    assertClose(expected.get("grad_l2").asDouble(), Math.sqrt(total), "norm of example " + example);
  }

  private static void assertClose(double expected, double ours, String what) {
    assertEquals(expected, ours, 1e-9 * expected, what);
  }
}
