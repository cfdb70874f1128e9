package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.generate.Scorer;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Tokenizer;

/** Training on public text. */
class PretrainingTest {
  private static final int STEPS = 12;
  private static final int LENGTH = 16;
  private static final Optimizer.AdamW ADAMW = new Optimizer.AdamW(3e-3, 0.9, 0.95, 1e-8, 0.1);

  @TempDir Path folder;
  private Path start;
  private Pretraining.Text text;
  private Pretraining.Text heldOut;

  /** A small model, and text that repeats itself enough to be learned in a few steps. */
  @BeforeEach
  void setUp() throws IOException {
    TinySetting setting = new TinySetting(folder);
    Path tokenizerFile = setting.model().resolve(ModelFolder.TOKENIZER);
    Tokenizer tokenizer = Tokenizer.read(tokenizerFile);
    int end = 0;
    DecoderConfig config = new ModelShape(2, 32, LENGTH).config(tokenizer.vocabularySize(), end);
    start = folder.resolve("start");
    ModelShape.writeBeginning(config, start, tokenizerFile, 5);
    text = Pretraining.Text.of(documents(0, 60), tokenizer, end);
    heldOut = Pretraining.Text.of(documents(60, 66), tokenizer, end);
  }

  private static List<byte[]> documents(int from, int to) {
    List<byte[]> documents = new ArrayList<>();
    for (int i = from; i < to; i++) {
      String line = "the cat " + i % 7 + " sat on the mat " + i % 3 + "\n";
      documents.add(line.repeat(4).getBytes(StandardCharsets.UTF_8));
    }
    return documents;
  }

  private static PretrainSettings settings(int steps, Schedule schedule) {
    return settings(steps, ADAMW, schedule);
  }

  private static PretrainSettings settings(
      int steps, Optimizer.Settings optimizer, Schedule schedule) {
    return new PretrainSettings(
        LENGTH, 8, steps, new OptimizerSpec(optimizer, schedule, 2, 0.1), 1, 9);
  }

  /** At a rate that any of them learns with. */
  static List<Optimizer.Settings> optimizers() {
    return Optimizers.ALL.stream()
        .map(OptimizerSpec::settings)
        .map(settings -> settings.withLearningRate(settings instanceof Optimizer.Sgd ? 0.1 : 3e-3))
        .toList();
  }

  private Pretraining open(int workers, PretrainSettings settings) {
    try (ModelFolder model = ModelFolder.open(start)) {
      return new Pretraining(
          model, text, heldOut, settings, new ExecutionSpec(DType.F32, workers, 48, 3, 4));
    }
  }

  private Pretraining open(int workers) {
    return open(workers, settings(STEPS, Schedule.COSINE));
  }

  /** Trains to the end and returns all weights. */
  private double[] finish(Pretraining training, String name) throws IOException {
    Path state = Files.createDirectories(folder.resolve(name + ".training"));
    training.run(state, SynthesisListener.silent(), point -> {});
    Path out = folder.resolve(name);
    training.write(out);
    try (ModelFolder written = ModelFolder.open(out.resolve(Synthesis.MODEL))) {
      Tensor table = written.weight(Role.EMBEDDING, 0);
      Tensor down = written.weight(Role.DOWN, 1);
      double[] values = new double[(int) (table.size() + down.size())];
      Arrays.setAll(values, i -> i < table.size() ? table.get(i) : down.get(i - table.size()));
      return values;
    }
  }

  @ParameterizedTest
  @EnumSource
  void theLossFallsUnderEverySchedule(Schedule schedule) throws IOException {
    try (Pretraining training = open(2, settings(60, schedule))) {
      double before = training.bitsPerByte();
      finish(training, "run");
      List<Pretraining.Point> curve = training.curve();
      assertEquals(60, curve.size());
      assertTrue(curve.getLast().loss() < 0.8 * curve.getFirst().loss(), curve.toString());
      assertTrue(training.bitsPerByte() < 0.8 * before);
      assertEquals(training.bitsPerByte(), curve.getLast().bitsPerByte().orElseThrow(), 1e-12);
      List<String> lines = Files.readAllLines(folder.resolve("run/loss.csv"));
      assertEquals(61, lines.size());
      assertEquals("step,loss,bits_per_byte", lines.getFirst());
      String chart = Files.readString(folder.resolve("run/loss.svg"));
      assertTrue(chart.contains("nats a token") && chart.contains("bits a byte"), "both measures");
      assertTrue(Files.readString(folder.resolve("run/pretrain.json")).contains("\"none: all"));
    }
  }

  @ParameterizedTest
  @MethodSource("optimizers")
  void theLossFallsUnderEveryOptimizer(Optimizer.Settings optimizer) throws IOException {
    try (Pretraining training = open(2, settings(60, optimizer, Schedule.COSINE))) {
      double before = training.bitsPerByte();
      finish(training, "run");
      assertTrue(training.bitsPerByte() < 0.9 * before, before + " " + training.bitsPerByte());
    }
  }

  @ParameterizedTest
  @MethodSource("optimizers")
  void theBitsDoNotDependOnTheThreads(Optimizer.Settings optimizer) throws IOException {
    double[] expected = null;
    for (int workers : new int[] {1, 2, 3}) {
      try (Pretraining training = open(workers, settings(STEPS, optimizer, Schedule.COSINE))) {
        double[] weights = finish(training, "run" + workers);
        expected = expected == null ? weights : expected;
        assertArrayEquals(expected, weights, workers + " workers");
      }
    }
  }

  /** Stopped after any step, a run goes on to the same weights and the same curve. */
  @ParameterizedTest
  @MethodSource("optimizers")
  void aResumedRunComesToTheSameBits(Optimizer.Settings optimizer) throws IOException {
    PretrainSettings settings = settings(STEPS, optimizer, Schedule.COSINE);
    double[] expected;
    List<Pretraining.Point> curve;
    try (Pretraining training = open(2, settings)) {
      expected = finish(training, "whole");
      curve = training.curve();
    }
    Path state = Files.createDirectories(folder.resolve("resumed.training"));
    for (int stop : new int[] {3, 8}) {
      try (Pretraining training = open(2, settings)) {
        training.resume(state);
        assertThrows(
            Interruption.class, () -> training.run(state, Interruption.after(stop), point -> {}));
        training.save(state);
        assertEquals(stop, training.updates());
      }
    }
    try (Pretraining training = open(1, settings)) {
      training.resume(state);
      assertEquals(8, training.updates());
      assertArrayEquals(expected, finish(training, "resumed"));
      assertEquals(curve, training.curve());
    }
  }

  @Test
  void aStateOfOtherSettingsIsRefused() throws IOException {
    Path state = Files.createDirectories(folder.resolve("other.training"));
    try (Pretraining training = open(1)) {
      training.save(state);
    }
    OptimizerSpec own = settings(STEPS, Schedule.COSINE).optimizer();
    for (OptimizerSpec other :
        List.of(
            new OptimizerSpec(ADAMW, Schedule.LINEAR, 2, 0.1),
            new OptimizerSpec(ADAMW, Schedule.COSINE, 3, 0.1),
            new OptimizerSpec(
                new Optimizer.Adam(3e-3, 0.9, 0.95, 1e-8, 0.1), Schedule.COSINE, 2, 0.1))) {
      assertFalse(own.equals(other));
      PretrainSettings settings = new PretrainSettings(LENGTH, 8, STEPS, other, 1, 9);
      try (Pretraining training = open(1, settings)) {
        assertThrows(InputException.class, () -> training.resume(state), other.toString());
      }
    }
  }

  /** A model of more weights than a worker updates at a time, all of which an update moves. */
  @Test
  void everyWeightMovesOnceAStep() throws IOException {
    Path tokenizer = folder.resolve("start").resolve(ModelFolder.TOKENIZER);
    int size = Tokenizer.read(tokenizer).vocabularySize();
    Path large = folder.resolve("large");
    ModelShape.writeBeginning(new ModelShape(4, 64, LENGTH).config(size, 0), large, tokenizer, 5);
    start = large;
    PretrainSettings once =
        new PretrainSettings(
            LENGTH,
            8,
            1,
            new OptimizerSpec(
                new Optimizer.AdamW(1e-3, 0.9, 0.95, 1e-8, 0), Schedule.CONSTANT, 0, 0.1),
            1e9,
            9);
    try (Pretraining training = open(2, once);
        ModelFolder before = ModelFolder.open(large)) {
      finish(training, "moved");
      try (ModelFolder after = ModelFolder.open(folder.resolve("moved/model"))) {
        assertTrue(before.config().parameterCount() > NoisyUpdate.PIECE, "more than one piece");
        for (int layer = 0; layer < 4; layer++) {
          for (Role role : List.of(Role.QUERY, Role.DOWN, Role.ATTENTION_NORM)) {
            Tensor from = before.weight(role, layer);
            Tensor to = after.weight(role, layer);
            long still = 0;
            for (long i = 0; i < from.size(); i++) {
              // AdamW's first step is the rate, up or down, or less where the gradient is tiny.
              double moved = Math.abs(to.get(i) - from.get(i));
              still += moved == 0 ? 1 : 0;
              assertTrue(moved <= 1.001e-3, role + " " + layer + ": " + moved);
            }
            assertTrue(still <= 0.001 * from.size(), role + " " + layer + ": " + still);
          }
        }
      }
    }
  }

  /** Against the scorer, which reads a text token by token behind a cache. */
  @Test
  void heldOutLossIsThatOfEveryTokenButTheFirst() throws IOException {
    try (Pretraining training = open(2);
        ModelFolder model = ModelFolder.open(start);
        Kernels kernels = new CpuKernels(DType.F32);
        TunedDecoder decoder = TunedDecoder.untuned(model, kernels, LENGTH);
        Scorer scorer = new Scorer(decoder, 1)) {
      int[] tokens = heldOut.tokens();
      double expected = 0;
      for (int from = 0; from + 1 < tokens.length; from += LENGTH) {
        int to = Math.min(from + LENGTH + 1, tokens.length);
        int[] rest = Arrays.copyOfRange(tokens, from + 1, to);
        expected -= scorer.score(new int[] {tokens[from]}, List.of(rest))[0];
      }
      double bits = expected / Math.log(2) / heldOut.bytes();
      assertEquals(bits, training.bitsPerByte(), 1e-4 * bits);
    }
  }

  @Test
  void textThatIsTooShortIsOneLine() {
    Pretraining.Text none = new Pretraining.Text(new int[LENGTH], 40);
    try (ModelFolder model = ModelFolder.open(start)) {
      ExecutionSpec execution = new ExecutionSpec(DType.F32, 1, 48, 3, 4);
      PretrainSettings settings = settings(1, Schedule.CONSTANT);
      assertThrows(
          InputException.class, () -> new Pretraining(model, none, null, settings, execution));
      PretrainSettings longer = new PretrainSettings(17, 1, 1, settings.optimizer(), 1, 0);
      InputException refused =
          assertThrows(
              InputException.class, () -> new Pretraining(model, text, null, longer, execution));
      assertTrue(refused.getMessage().contains("--length"), refused.getMessage());
    }
  }

  @Test
  void everySequenceIsReadOnceAnEpochAndEachEpochInAnotherOrder() {
    int[] tokens = new int[161];
    Arrays.setAll(tokens, i -> i);
    SequenceOrder order = new SequenceOrder(tokens, 16, 3);
    assertEquals(10, order.size());
    List<Integer> first = new ArrayList<>();
    List<Integer> second = new ArrayList<>();
    for (int n = 0; n < 20; n++) {
      int[] sequence = order.get(n).tokens();
      assertEquals(17, sequence.length, "what it predicts and one to begin with");
      (n < 10 ? first : second).add(sequence[0] / 16);
      assertEquals(sequence[0] + 16, sequence[16]);
    }
    assertEquals(10, first.stream().distinct().count());
    assertEquals(10, second.stream().distinct().count());
    assertFalse(first.equals(second));
    assertEquals(first.get(4), order.get(4).tokens()[0] / 16, "going back gives the same");
  }

  @Test
  void aModelBeginsSmallAndTheSameForASeed() throws IOException {
    DecoderConfig config = new ModelShape(3, 64, 32).config(500, 0);
    assertEquals(1, config.attention().heads());
    assertEquals(192, config.feedForward().width());
    Path tokenizer = new TinySetting(folder).model().resolve(ModelFolder.TOKENIZER);
    for (String name : new String[] {"one", "same"}) {
      ModelShape.writeBeginning(config, folder.resolve(name), tokenizer, 4);
    }
    ModelShape.writeBeginning(config, folder.resolve("other"), tokenizer, 5);
    try (ModelFolder one = ModelFolder.open(folder.resolve("one"));
        ModelFolder same = ModelFolder.open(folder.resolve("same"));
        ModelFolder other = ModelFolder.open(folder.resolve("other"))) {
      assertEquals(one.digest(), same.digest());
      assertFalse(one.digest().equals(other.digest()));
      assertEquals(0.02, deviation(one.weight(Role.UP, 1)), 6e-4);
      assertEquals(0.02 / Math.sqrt(6), deviation(one.weight(Role.DOWN, 1)), 3e-4);
      assertEquals(1, one.weight(Role.FINAL_NORM, 0).get(63));
    }
    for (int width : new int[] {0, 7, 100, 72}) {
      assertThrows(IllegalArgumentException.class, () -> new ModelShape(1, width, 32), "" + width);
    }
  }

  private static double deviation(Tensor tensor) {
    double sum = 0;
    for (long i = 0; i < tensor.size(); i++) {
      sum += tensor.get(i) * tensor.get(i);
    }
    return Math.sqrt(sum / tensor.size());
  }
}
