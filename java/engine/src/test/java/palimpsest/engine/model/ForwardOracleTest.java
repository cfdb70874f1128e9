package palimpsest.engine.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.testing.Models;
import palimpsest.testing.NaiveKernels;
import palimpsest.testing.Oracle;

/** Losses and logits of SmolLM2-135M against an independent float64 program. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ForwardOracleTest {
  private final JsonNode oracle = Oracle.read("smollm2_forward");
  private final ModelFolder folder = ModelFolder.open(Models.smollm2());

  @AfterAll
  void close() {
    folder.close();
  }

  /** Sequences stand in the order of their lengths. */
  private List<JsonNode> sequences(int count) {
    List<JsonNode> sequences = new ArrayList<>();
    oracle.get("sequences").forEach(sequences::add);
    return sequences.subList(0, count);
  }

  @Test
  void referenceAgreesOnTheShortestSequences() {
    assertAgreement(sequences(2));
  }

  @Test
  @EnabledIfSystemProperty(named = "palimpsest.test.full", matches = "true")
  void referenceAgreesOnAllSequences() {
    List<JsonNode> all = new ArrayList<>(sequences(4));
    all.add(oracle.get("long"));
    assertAgreement(all);
  }

  private void assertAgreement(List<JsonNode> sequences) {
    List<double[]> ours = figures(new ReferenceKernels(), sequences);
    for (int s = 0; s < sequences.size(); s++) {
      double[] expected = expected(sequences.get(s));
      for (int i = 0; i < expected.length; i++) {
        // Figures are cut to 12 digits; a logit near zero is a difference of larger numbers.
        double scale = Math.max(1, Math.abs(expected[i]));
        assertEquals(expected[i], ours.get(s)[i], 1e-9 * scale, "sequence " + s + ", " + i);
      }
    }
  }

  @Test
  void cpuIsNoWorseThanTwiceTheNaiveLoops() {
    assertTolerance(sequences(1));
  }

  @Test
  @EnabledIfSystemProperty(named = "palimpsest.test.full", matches = "true")
  void cpuIsNoWorseThanTwiceTheNaiveLoopsOnAllSequences() {
    assertTolerance(sequences(4));
  }

  private void assertTolerance(List<JsonNode> sequences) {
    for (DType type : List.of(DType.F32, DType.BF16)) {
      double naive = error(sequences, figures(NaiveKernels.of(type), sequences));
      double cpu = error(sequences, figures(new CpuKernels(type), sequences));
      assertTrue(
          cpu <= 2 * naive + 1.2e-7,
          "error in " + type + ": cpu " + cpu + ", naive loops " + naive);
    }
  }

  /** Root mean square of the errors over that of the figures. */
  private static double error(List<JsonNode> sequences, List<double[]> ours) {
    double error = 0;
    double size = 0;
    for (int s = 0; s < sequences.size(); s++) {
      double[] expected = expected(sequences.get(s));
      for (int i = 0; i < expected.length; i++) {
        error += Math.pow(ours.get(s)[i] - expected[i], 2);
        size += expected[i] * expected[i];
      }
    }
    return Math.sqrt(error / size);
  }

  /** What the oracle knows of a sequence: losses, then logits at some positions. */
  private static double[] expected(JsonNode sequence) {
    List<Double> figures = new ArrayList<>();
    sequence.get("losses").forEach(loss -> figures.add(loss.asDouble()));
    for (JsonNode position : sequence.path("positions")) {
      position.get("top").forEach(pair -> figures.add(pair.get(1).asDouble()));
      position.get("fixed").forEach(logit -> figures.add(logit.asDouble()));
    }
    return figures.stream().mapToDouble(Double::doubleValue).toArray();
  }

  /** Our figures, sequence by sequence; all of them go through the model as one group. */
  private List<double[]> figures(Kernels kernels, List<JsonNode> sequences) {
    int longest = 0;
    int rows = 0;
    for (JsonNode sequence : sequences) {
      longest = Math.max(longest, sequence.get("ids").size() + 1);
      rows += sequence.get("ids").size();
    }
    try (TensorArena arena = new TensorArena();
        Decoder decoder = new Decoder(folder, kernels, false, longest)) {
      Activations a =
          new Activations(
              decoder.config(), kernels, rows, rows, 0, Activations.Purpose.FORWARD, arena);
      TokenGroup group = new TokenGroup(rows, sequences.size(), kernels.wide(), arena);
      for (JsonNode sequence : sequences) {
        int[] ids = Oracle.ints(sequence.get("ids"));
        double[] weights = new double[ids.length + 1];
        Arrays.fill(weights, 1, ids.length, 1);
        group.add(Arrays.copyOf(ids, ids.length + 1), weights);
      }
      decoder.forward(group, null, a);
      decoder.losses(group, a);
      List<double[]> losses = new ArrayList<>();
      for (int s = 0; s < sequences.size(); s++) {
        losses.add(
            IntStream.range(group.headStart(s), group.headStart(s + 1))
                .mapToDouble(a::nll)
                .toArray());
      }
      List<double[]> all = new ArrayList<>();
      for (int s = 0; s < sequences.size(); s++) {
        all.add(withLogits(losses.get(s), sequences.get(s), group.rowStart(s), decoder, a));
      }
      return all;
    } finally {
      kernels.close();
    }
  }

  private double[] withLogits(
      double[] losses, JsonNode sequence, int row, Decoder decoder, Activations a) {
    List<Double> figures = new ArrayList<>();
    for (double loss : losses) {
      figures.add(loss);
    }
    for (JsonNode position : sequence.path("positions")) {
      Tensor logits = decoder.logits(new int[] {row + position.get("p").asInt()}, 0, 1, a);
      position.get("top").forEach(pair -> figures.add(logits.get(pair.get(0).asInt())));
      oracle.get("fixed_ids").forEach(id -> figures.add(logits.get(id.asInt())));
    }
    return figures.stream().mapToDouble(Double::doubleValue).toArray();
  }
}
