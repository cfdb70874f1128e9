package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.Adapter;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.Example;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.privacy.SecretKey;

/** The private step with a known key, which only tests can have. */
class PrivateTrainingTest {
  @TempDir Path folder;

  /** The adapter's parameters after training. */
  private double[] train(MechanismSpec mechanism, List<Example> examples, ExecutionSpec execution)
      throws IOException {
    TinySetting setting = new TinySetting(folder);
    Path ledgers = RunState.privateDirectory(folder.resolve("ledgers-" + System.nanoTime()));
    try (ModelFolder model = ModelFolder.open(setting.model());
        Kernels kernels = new CpuKernels(DType.F32);
        Decoder decoder = new Decoder(model, kernels, true, 64);
        TensorArena arena = new TensorArena();
        SecretKey key = SecretKey.insecureDeterministic(17);
        Ledger ledger =
            Ledger.create(
                ledgers, "notes", ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE)) {
      Adapter adapter =
          new Adapter(model.config(), 2, 4, Adapter.linearRoles(model.config()), kernels, arena);
      adapter.initialize(new SplittableRandom(0));
      TrainingState state = new TrainingState(adapter, kernels, arena);
      TuningSpec tuning = new TuningSpec(2, 4, 1e-2, 1, 0.1, 24);
      try (PrivateTraining training =
          new PrivateTraining(decoder, state, mechanism, tuning, execution)) {
        training.run(
            examples,
            ledger.startRun(mechanism, key),
            key,
            1,
            folder.resolve("checkpoint"),
            step -> {});
      }
      double[] parameters = new double[(int) adapter.size()];
      Arrays.setAll(parameters, i -> adapter.parameters().get(i));
      return parameters;
    }
  }

  private static List<Example> examples(int count) {
    SplittableRandom random = new SplittableRandom(1);
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int[] tokens = random.ints(random.nextInt(2, 40), 0, 256).toArray();
      examples.add(new Example(tokens, random.nextInt(2)));
    }
    return examples;
  }

  private static MechanismSpec mechanism(double noise) {
    return MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, noise, 1, 20, 40, 4, 1e-3);
  }

  private static ExecutionSpec execution(int workers, int rows, int microBatch) {
    return new ExecutionSpec(DType.F32, workers, rows, microBatch, 8);
  }

  @Test
  void workersAndMicroBatchesGiveTheSameAdapterToTheBit() throws IOException {
    List<Example> examples = examples(40);
    double[] expected = train(mechanism(1), examples, execution(1, 64, 1));
    assertArrayEquals(expected, train(mechanism(1), examples, execution(1, 400, 7)));
    assertArrayEquals(expected, train(mechanism(1), examples, execution(2, 2000, 64)));
    assertArrayEquals(expected, train(mechanism(1), examples, execution(2, 64, 64)));
  }

  @Test
  void aRecordThatIsNeverDrawnChangesNothing() throws IOException {
    // R01: the number of records enters nowhere. The draw of record i depends on i alone, so a
    // record added at the end either takes part or
    // leaves every bit as it was; this one, index 40, is not drawn in any of the four steps under
    // the test's key.
    List<Example> examples = examples(60);
    double[] without = train(mechanism(1), examples.subList(0, 40), execution(2, 200, 8));
    List<Example> more = new ArrayList<>(examples.subList(0, 40));
    int added = neverDrawn();
    while (more.size() < added) {
      more.add(new Example(new int[0], 0));
    }
    double[] padded = train(mechanism(1), more, execution(2, 200, 8));
    more.add(examples.get(50));
    assertArrayEquals(padded, train(mechanism(1), more, execution(2, 200, 8)));
    assertArrayEquals(without, padded, "records without a token contribute exactly zero");
  }

  /** An index from 40 on that the test's key draws in no step. */
  private static int neverDrawn() {
    try (SecretKey key = SecretKey.insecureDeterministic(17)) {
      palimpsest.privacy.PoissonSampler sampler =
          new palimpsest.privacy.PoissonSampler(key, mechanism(1));
      for (int i = 40; i < 1000; i++) {
        boolean drawn = false;
        for (int step = 1; step <= 4; step++) {
          int index = i;
          drawn |= Arrays.stream(sampler.draw(step, i + 1)).anyMatch(d -> d == index);
        }
        if (!drawn) {
          return i;
        }
      }
    }
    throw new AssertionError("every record was drawn");
  }

  @Test
  void emptyDrawsAreStepsLikeAnyOther() throws IOException {
    // R03: at a rate of 1e-9 no step draws a record; all are paid for, and each adds its own noise.
    MechanismSpec rare =
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1, 1, 1_000_000_000, 4, 1e-10);
    double[] withRecords = train(rare, examples(40), execution(1, 64, 1));
    double[] without = train(rare, List.of(), execution(1, 64, 1));
    assertArrayEquals(without, withRecords);
  }

  @Test
  void noiseIsThereAndHasItsSize() throws IOException {
    // Without records the update is noise alone: R20, the mechanism is on.
    double[] noisy = train(mechanism(1), List.of(), execution(1, 64, 1));
    double[] again = train(mechanism(1), List.of(), execution(1, 64, 1));
    double[] quiet = train(mechanism(1e-7), List.of(), execution(1, 64, 1));
    assertArrayEquals(noisy, again, "one key gives one noise");
    assertFalse(Arrays.equals(noisy, quiet));
    assertEquals(noisy.length, Arrays.stream(noisy).filter(Double::isFinite).count());
  }
}
