package palimpsest.engine.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.cpu.CpuLibrary;
import palimpsest.engine.kernel.cpu.CpuTier;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.Models;
import palimpsest.testing.NaiveKernels;
import palimpsest.testing.Oracle;

/**
 * Losses and per-example adapter gradients of SmolLM2-135M against an independent float64 program.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LoraOracleTest {
  private final JsonNode oracle = Oracle.read("smollm2_gradients");
  private final ModelFolder folder = ModelFolder.open(Models.smollm2());

  /**
   * What the oracle knows of an example, in one order: loss, total norm, norm and dot with sin(1 +
   * k) of each tensor.
   */
  private record Figures(double loss, double total, double[] norms, double[] dots) {}

  @AfterAll
  void close() {
    folder.close();
  }

  @Test
  @Tag("R41")
  void referenceAgreesOnTheShortestExamples() {
    List<Integer> shortest = shortest(2);
    List<Figures> ours = figures(new ReferenceKernels(), shortest);
    for (int i = 0; i < shortest.size(); i++) {
      assertClose(expected(shortest.get(i)), ours.get(i));
    }
  }

  @Test
  @EnabledIfSystemProperty(named = "palimpsest.test.full", matches = "true")
  void referenceAgreesOnAllExamples() {
    List<Integer> all = shortest(oracle.get("examples").size());
    List<Figures> ours = figures(new ReferenceKernels(), all);
    for (int i = 0; i < all.size(); i++) {
      assertClose(expected(all.get(i)), ours.get(i));
    }
  }

  /**
   * The best tier takes the two shortest examples, the others the shortest; all with full tests.
   */
  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16"})
  void everyCpuTierIsNoWorseThanTwiceTheNaiveLoops(DType type) {
    boolean full = Boolean.getBoolean("palimpsest.test.full");
    List<Integer> examples = shortest(full ? oracle.get("examples").size() : 2);
    List<Figures> naive = figures(NaiveKernels.of(type), examples);
    CpuLibrary library = CpuLibrary.get();
    for (CpuTier tier : CpuTier.values()) {
      if (library.supports(tier)) {
        boolean all = full || tier == library.bestTier();
        List<Integer> some = all ? examples : examples.subList(0, 1);
        assertNoWorse(tier + " in " + type, some, naive, figures(new CpuKernels(tier, type), some));
      }
    }
  }

  private List<Integer> shortest(int count) {
    List<Integer> indices = new ArrayList<>();
    for (int i = 0; i < oracle.get("examples").size(); i++) {
      indices.add(i);
    }
    indices.sort(
        java.util.Comparator.comparing(i -> oracle.get("examples").get(i).get("ids").size()));
    return indices.subList(0, count);
  }

  private Figures expected(int example) {
    JsonNode lora = oracle.get("examples").get(example).get("lora");
    return new Figures(
        lora.get("loss").asDouble(),
        lora.get("total").asDouble(),
        values(lora.get("by_tensor")),
        values(lora.get("dot_sin")));
  }

  private static double[] values(JsonNode object) {
    List<String> names = new ArrayList<>();
    object.fieldNames().forEachRemaining(names::add);
    return names.stream().sorted().mapToDouble(name -> object.get(name).asDouble()).toArray();
  }

  /** All examples in one group. */
  private List<Figures> figures(Kernels kernels, List<Integer> examples) {
    int rows =
        examples.stream().mapToInt(i -> oracle.get("examples").get(i).get("ids").size()).sum();
    try (TensorArena arena = new TensorArena();
        Decoder decoder = new Decoder(folder, kernels, true, 512)) {
      Adapter adapter =
          new Adapter(
              decoder.config(), 8, 16, Adapter.linearRoles(decoder.config()), kernels, arena);
      setByFormula(adapter);
      LoraGradients gradients =
          new LoraGradients(decoder, adapter, rows, examples.size(), false, arena);
      TokenGroup group = gradients.group();
      for (int i : examples) {
        add(group, oracle.get("examples").get(i));
      }
      gradients.compute();
      List<Figures> all = new ArrayList<>();
      for (int e = 0; e < examples.size(); e++) {
        double loss = 0;
        for (int i = group.headStart(e); i < group.headStart(e + 1); i++) {
          loss += gradients.activations().nll(i) / (group.headStart(e + 1) - group.headStart(e));
        }
        all.add(figures(adapter, gradients.gradient(e), loss));
      }
      return all;
    } finally {
      kernels.close();
    }
  }

  private static void add(TokenGroup group, JsonNode example) {
    int[] ids = Oracle.ints(example.get("ids"));
    double[] given = Oracle.doubles(example.get("weights"));
    double sum = Arrays.stream(given).sum();
    double[] weights = new double[ids.length];
    for (int i = 0; i < given.length; i++) {
      weights[i + 1] = given[i] / sum;
    }
    group.add(ids, weights);
  }

  private static void setByFormula(Adapter adapter) {
    for (Adapter.Site site : adapter.sites()) {
      Tensor a = adapter.a(adapter.parameters(), site);
      Tensor b = adapter.b(adapter.parameters(), site);
      for (int i = 0; i < a.size(); i++) {
        a.set(i, 0.02 * Math.sin(1 + i));
      }
      for (int i = 0; i < b.size(); i++) {
        b.set(i, 0.01 * Math.cos(1 + i));
      }
    }
    adapter.pack();
  }

  private static Figures figures(Adapter adapter, Tensor gradient, double loss) {
    record Named(String name, Tensor tensor) {}
    List<Named> tensors = new ArrayList<>();
    for (Adapter.Site site : adapter.sites()) {
      String name = "model.layers." + site.layer() + "." + module(site.role());
      tensors.add(new Named(name + ".lora_A.weight", adapter.a(gradient, site)));
      tensors.add(new Named(name + ".lora_B.weight", adapter.b(gradient, site)));
    }
    tensors.sort(Comparator.comparing(Named::name));
    double[] norms = new double[tensors.size()];
    double[] dots = new double[tensors.size()];
    double total = 0;
    for (int i = 0; i < norms.length; i++) {
      Tensor tensor = tensors.get(i).tensor();
      double square = 0;
      for (int k = 0; k < tensor.size(); k++) {
        square += tensor.get(k) * tensor.get(k);
        dots[i] += tensor.get(k) * Math.sin(1 + k);
      }
      norms[i] = Math.sqrt(square);
      total += square;
    }
    return new Figures(loss, Math.sqrt(total), norms, dots);
  }

  private static String module(Role role) {
    return switch (role) {
      case QUERY -> "self_attn.q_proj";
      case KEY -> "self_attn.k_proj";
      case VALUE -> "self_attn.v_proj";
      case ATTENTION_OUTPUT -> "self_attn.o_proj";
      case GATE -> "mlp.gate_proj";
      case UP -> "mlp.up_proj";
      case DOWN -> "mlp.down_proj";
      default -> throw new IllegalArgumentException(role.toString());
    };
  }

  /** The oracle's figures are cut to 12 digits. */
  private static void assertClose(Figures expected, Figures ours) {
    assertEquals(expected.loss, ours.loss, 1e-9 * expected.loss, "loss");
    assertEquals(expected.total, ours.total, 1e-9 * expected.total, "norm");
    for (int i = 0; i < expected.norms.length; i++) {
      assertEquals(
          expected.norms[i], ours.norms[i], 1e-9 * expected.norms[i], "norm of tensor " + i);
      // A dot product can be much smaller than the norms it is made of.
      assertEquals(
          expected.dots[i],
          ours.dots[i],
          1e-9 * Math.max(Math.abs(expected.dots[i]), expected.norms[i]),
          "dot of tensor " + i);
    }
  }

  /**
   * The rule of closeness, in the root mean square over the tensors of all layers that play one
   * part: there a naive loop is not lucky throughout, and no single tensor whose gradient all but
   * vanishes decides. Errors are relative to the tensor's norm, that of the whole gradient's norm
   * to itself.
   */
  private void assertNoWorse(
      String what, List<Integer> examples, List<Figures> naive, List<Figures> cpu) {
    Map<String, double[]> squares = new TreeMap<>();
    for (int e = 0; e < examples.size(); e++) {
      Figures expected = expected(examples.get(e));
      List<String> names = tensorNames(examples.get(e));
      double scale = expected.total;
      note(squares, "norm", expected.total, naive.get(e).total, cpu.get(e).total, scale);
      for (int i = 0; i < names.size(); i++) {
        String part = names.get(i).replaceFirst("^model\\.layers\\.\\d+\\.", "");
        scale = expected.norms[i];
        note(squares, "norm", scale, naive.get(e).norms[i], cpu.get(e).norms[i], scale);
        note(
            squares,
            "dot of " + part,
            expected.dots[i],
            naive.get(e).dots[i],
            cpu.get(e).dots[i],
            scale);
      }
    }
    assertEquals(1 + 2 * 7, squares.size());
    squares.forEach((group, sums) -> {
      double naiveError = Math.sqrt(sums[0] / sums[2]);
      double cpuError = Math.sqrt(sums[1] / sums[2]);
      assertTrue(
          cpuError <= 2 * naiveError + Math.ulp(1f),
          what + ", " + group + ": naive loops " + naiveError + ", cpu " + cpuError);
    });
  }

  private List<String> tensorNames(int example) {
    List<String> names = new ArrayList<>();
    oracle
        .get("examples")
        .get(example)
        .get("lora")
        .get("by_tensor")
        .fieldNames()
        .forEachRemaining(names::add);
    return names.stream().sorted().toList();
  }

  private static void note(
      Map<String, double[]> squares,
      String group,
      double expected,
      double naive,
      double cpu,
      double scale) {
    double[] sums = squares.computeIfAbsent(group, _ -> new double[3]);
    sums[0] += Math.pow((naive - expected) / scale, 2);
    sums[1] += Math.pow((cpu - expected) / scale, 2);
    sums[2]++;
  }
}
