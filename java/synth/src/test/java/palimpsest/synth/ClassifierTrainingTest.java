package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import palimpsest.engine.kernel.Activation;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.EncoderClassifier;
import palimpsest.engine.model.EncoderConfig;
import palimpsest.engine.model.EncoderFolder;
import palimpsest.engine.model.LabelModel;
import palimpsest.engine.model.LabelPass;
import palimpsest.engine.model.TokenGroup;
import palimpsest.engine.model.WordCnn;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.ClippedSum;
import palimpsest.engine.train.Clipping;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.PoissonSampler;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.bench.RandomModel;
import palimpsest.synth.text.InputException;

/** Classifiers are trained by the same private step as everything else, or plainly. */
class ClassifierTrainingTest {
  private static final long KEY_SEED = 23;
  private static final int GRID_BITS = 24;
  private static final int LABELS = 3;
  private static final int VOCABULARY = 61;
  private static final int POSITIONS = 32;

  /** The kinds of model. */
  enum Kind {
    ENCODER,
    WORD_CNN;

    /** At its start, which is the same each time. */
    LabelModel make(Kernels kernels, Path folder) {
      LabelModel model =
          switch (this) {
            case ENCODER -> encoder(kernels, folder.resolve("encoder"));
            case WORD_CNN ->
                WordCnn.of(kernels, new WordCnn.Shape(VOCABULARY, 12, 8, LABELS), POSITIONS);
          };
      model.initialize(new SplittableRandom(1));
      return model;
    }

    private static LabelModel encoder(Kernels kernels, Path path) {
      if (!path.toFile().exists()) {
        RandomModel.write(config(), path, 1);
      }
      try (EncoderFolder folder = EncoderFolder.open(path)) {
        return EncoderClassifier.of(folder, kernels, POSITIONS, 4, 8, LABELS);
      }
    }

    private static EncoderConfig config() {
      return new EncoderConfig(
          "bert",
          VOCABULARY,
          POSITIONS,
          2,
          2,
          32,
          new DecoderConfig.AttentionOptions(
              4, 4, 8, 1 / Math.sqrt(8), true, true, false, false, Collections.nCopies(2, 0)),
          new DecoderConfig.FeedForwardOptions(48, Activation.Kind.GELU, true),
          new DecoderConfig.NormOptions(DecoderConfig.NormKind.LAYERNORM, 1e-12, false, false));
    }
  }

  @TempDir Path folder;

  /** Texts whose label is told by one of three words in them. */
  private static List<Example> examples(int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int label = random.nextInt(LABELS);
      int[] text = random.ints(random.nextInt(6, 20), 10, VOCABULARY).toArray();
      text[random.nextInt(text.length)] = 5 + label;
      examples.add(Example.labelled(text, label));
    }
    return examples;
  }

  private static ExecutionSpec execution(int workers, int rows, int microBatch) {
    return new ExecutionSpec(DType.F32, workers, rows, microBatch, 1);
  }

  private static OptimizerSpec constant(Optimizer.Settings settings) {
    return new OptimizerSpec(settings, Schedule.CONSTANT, 0, 1);
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.size()];
    Arrays.setAll(values, tensor::get);
    return values;
  }

  private static MechanismSpec mechanism(int steps) {
    return MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 0.7, 0.3, 12, 40, steps, 1e-3);
  }

  private Path account() {
    return StateFolder.make(folder.resolve("ledgers-" + System.nanoTime()));
  }

  /** The parameters after private training with the key that {@link #KEY_SEED} gives. */
  private double[] privately(
      Kind kind, MechanismSpec mechanism, OptimizerSpec optimizer, ExecutionSpec execution) {
    try (Kernels kernels = new CpuKernels(DType.F32);
        LabelModel model = kind.make(kernels, folder);
        SecretKey key = SecretKey.insecureDeterministic(KEY_SEED);
        Ledger ledger =
            Ledger.create(
                account(), "notes", ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE)) {
      ClassifierTraining.privately(
          model, examples(40, 1), optimizer, execution, ledger.startRun(mechanism, key), key);
      assertEquals(
          mechanism.steps(),
          ledger.records().stream().filter(LedgerRecord.Step.class::isInstance).count());
      assertTrue(ledger.records().getLast() instanceof LedgerRecord.RunEnd);
      return values(model.parameters());
    }
  }

  /** By plain gradient descent a step moves the parameters by the noisy sum itself. */
  @ParameterizedTest
  @EnumSource
  void aStepIsItsRecordsClippedOneByOneAndTheNoise(Kind kind) {
    double rate = 1000;
    MechanismSpec mechanism = mechanism(1);
    double[] after =
        privately(kind, mechanism, constant(new Optimizer.Sgd(rate, 0, 0)), execution(2, 200, 8));
    try (Kernels kernels = new CpuKernels(DType.F32);
        LabelModel model = kind.make(kernels, folder);
        TensorArena arena = new TensorArena();
        SecretKey key = SecretKey.insecureDeterministic(KEY_SEED)) {
      List<Example> examples = examples(40, 1);
      long[] sum = new long[(int) model.size()];
      new NoiseStream(key).addTo(sum, 0, 1, mechanism.noiseMultiplier() * (1L << GRID_BITS));
      ExampleGradients gradients = ExampleGradients.of(model, POSITIONS, 1, arena);
      int[] drawn = new PoissonSampler(key, mechanism).draw(1, examples.size());
      assertTrue(drawn.length > 2);
      double largest = 0;
      for (int i : drawn) {
        ClippedSum one =
            ClippedSum.of(model, new Clipping.Flat(), mechanism.clipNorm(), GRID_BITS, arena);
        gradients.group().clear();
        gradients.group().add(examples.get(i).tokens(), examples.get(i).prefix());
        gradients.accumulate(one);
        double norm = 0;
        for (int k = 0; k < sum.length; k++) {
          sum[k] += one.sums().getLong(k);
          norm += (double) one.sums().getLong(k) * one.sums().getLong(k);
        }
        largest = Math.max(largest, Math.sqrt(norm));
      }
      assertTrue(
          largest <= 1L << GRID_BITS && largest > 0.9 * (1L << GRID_BITS), "fills the bound");
      double scale = Math.scalb(mechanism.clipNorm(), -GRID_BITS) / mechanism.expectedBatch();
      double[] before = values(model.parameters());
      for (int k = 0; k < sum.length; k++) {
        double expected = before[k] - rate * scale * sum[k];
        assertEquals(expected, after[k], 1e-4 * Math.max(1, Math.abs(expected)), "at " + k);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void workersAndMicroBatchesGiveTheSameModelToTheBit(Kind kind) {
    OptimizerSpec optimizer = Optimizers.adamW(1e-2);
    double[] first = privately(kind, mechanism(3), optimizer, execution(1, POSITIONS, 1));
    for (ExecutionSpec execution : List.of(execution(1, 400, 7), execution(2, 150, 64))) {
      assertArrayEquals(first, privately(kind, mechanism(3), optimizer, execution));
    }
  }

  @ParameterizedTest
  @EnumSource
  void theMechanismIsTheOneThatIsPaidForAndTheKeyToo(Kind kind) {
    try (Kernels kernels = new CpuKernels(DType.F32);
        LabelModel model = kind.make(kernels, folder);
        SecretKey key = SecretKey.insecureDeterministic(1);
        SecretKey other = SecretKey.insecureDeterministic(2);
        Ledger ledger =
            Ledger.create(
                account(), "notes", ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE)) {
      double[] before = values(model.parameters());
      Ledger.Run run = ledger.startRun(mechanism(1), key);
      assertThrows(
          IllegalArgumentException.class,
          () ->
              ClassifierTraining.privately(
                  model, examples(40, 1), Optimizers.adamW(1e-2), execution(1, 64, 4), run, other));
      assertArrayEquals(before, values(model.parameters()));
      assertEquals(0, run.steps());
    }
  }

  /** Bits of a plain result depend on the order's seed, and not on the workers. */
  @ParameterizedTest
  @EnumSource
  void plainTrainingIsDeterministic(Kind kind) {
    double[] one = plainly(kind, 2, 5, 1, examples(50, 1));
    assertArrayEquals(one, plainly(kind, 2, 5, 3, examples(50, 1)));
    assertFalse(Arrays.equals(one, plainly(kind, 2, 6, 1, examples(50, 1))));
  }

  private double[] plainly(Kind kind, int epochs, long seed, int workers, List<Example> examples) {
    try (Kernels kernels = new CpuKernels(DType.F32);
        LabelModel model = kind.make(kernels, folder)) {
      ClassifierTraining.plain(
          model,
          examples,
          new ClassifierTraining.Plain(epochs, 8, Optimizers.adamW(1e-2), seed),
          execution(workers, 100, 4));
      return values(model.parameters());
    }
  }

  @ParameterizedTest
  @EnumSource
  void plainTrainingLearnsWhatTellsLabelsApart(Kind kind) {
    try (Kernels kernels = new CpuKernels(DType.F32);
        LabelModel model = kind.make(kernels, folder)) {
      assertEquals(Math.log(LABELS), meanLoss(model, examples(60, 2)), 1e-5);
      ClassifierTraining.plain(
          model,
          examples(900, 1),
          new ClassifierTraining.Plain(15, 16, Optimizers.adamW(1e-2), 1),
          execution(2, 200, 8));
      double loss = meanLoss(model, examples(60, 2));
      assertTrue(loss < 0.5, "loss on other texts: " + loss);
    }
  }

  private static double meanLoss(LabelModel model, List<Example> examples) {
    try (TensorArena arena = new TensorArena()) {
      LabelPass pass = model.pass(POSITIONS * 60, 60, false, arena);
      TokenGroup group = new TokenGroup(POSITIONS * 60, 60, model.kernels().wide(), arena);
      examples.forEach(example -> group.add(example.tokens(), example.prefix()));
      return pass.loss(group) / examples.size();
    }
  }

  @ParameterizedTest
  @EnumSource
  void aModelThatIsNotFiniteIsRefused(Kind kind) {
    try (Kernels kernels = new CpuKernels(DType.F32);
        LabelModel model = kind.make(kernels, folder)) {
      model.headBias(model.parameters()).set(0, Double.NaN);
      model.pack();
      InputException e =
          assertThrows(
              InputException.class,
              () ->
                  ClassifierTraining.plain(
                      model,
                      examples(50, 1),
                      new ClassifierTraining.Plain(1, 8, Optimizers.adamW(1e-2), 1),
                      execution(1, 100, 4)));
      assertTrue(e.getMessage().contains("learning rate"), e.getMessage());
    }
  }
}
