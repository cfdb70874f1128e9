package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.kernel.reference.ReferenceKernels;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Norms;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.ClippedSum;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.engine.train.VectorSum;
import palimpsest.privacy.ClipRule;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.privacy.NoiseStream;
import palimpsest.privacy.PoissonSampler;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.privacy.Purpose;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.text.InputException;
import palimpsest.testing.FullTests;

/** The private step with a known key, which only tests can have. */
class PrivateTrainingTest {
  private static final long KEY_SEED = 17;
  private static final int GRID_BITS = 24;

  /** The most tokens of a record, so many that norms may be estimated. */
  private static final int POSITIONS = 96;

  private static final TuningMethod LORA = TuningMethod.Lora.of(2);
  static final List<TuningMethod> METHODS =
      List.of(
          LORA,
          new TuningMethod.Prompt(6),
          new TuningMethod.Bias(Set.of()),
          new TuningMethod.Full(),
          new TuningMethod.Full(new TensorPatterns(List.of("*.mlp.*", "*norm*"))));
  private static final TuningSpec TUNING = adamW(LORA);
  static final List<OptimizerSpec> OPTIMIZERS = Optimizers.ALL;

  @TempDir Path folder;

  private static TuningSpec adamW(TuningMethod method) {
    return new TuningSpec(method, Optimizers.adamW(1e-2), GRID_BITS);
  }

  /** The account that {@link #train} opened last. */
  private Path ledgers;

  /** What all arenas had given when training was about to begin. */
  private long memoryBefore;

  /**
   * What the optimizer is asked to do in one step, and what came of it.
   *
   * @param sums the integers, noise included
   * @param kernel the optimizer's method that was called
   * @param number of the update, from 1; 0 where the method is not told
   */
  private record Update(
      String kernel, long[] sums, double scale, long number, double[] before, double[] after) {}

  /** Kernels whose optimizer tells each call. */
  private static Kernels observed(Kernels kernels, Consumer<Update> observer) {
    Optimizer optimizer =
        proxy(
            Optimizer.class,
            (method, arguments) -> {
              Tensor parameters = parameters(method, arguments);
              double[] before = values(parameters);
              method.invoke(kernels.optimizer(), arguments);
              observer.accept(
                  new Update(
                      method.getName(),
                      integers((Tensor) arguments[0]),
                      (double) arguments[1],
                      method.getName().equals("update") ? (long) arguments[3] : 0,
                      before,
                      values(parameters)));
              return null;
            });
    return proxy(
        Kernels.class,
        (method, arguments) ->
            method.getName().equals("optimizer") ? optimizer : method.invoke(kernels, arguments));
  }

  /** What a method of the optimizer moves: the last argument but the moments. */
  private static Tensor parameters(Method method, Object[] arguments) {
    int at =
        switch (method.getName()) {
          case "update" -> 4;
          case "sgdUpdate" -> 3;
          case "factoredAccumulate" -> 4;
          case "factoredUpdate" -> 6;
          default -> throw new AssertionError(method);
        };
    return (Tensor) arguments[at];
  }

  /** What takes a call in the place of an object. */
  @FunctionalInterface
  private interface Call {
    Object of(Method method, Object[] arguments) throws ReflectiveOperationException;
  }

  private static <T> T proxy(Class<T> type, Call call) {
    return type.cast(
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (_, method, arguments) -> call.of(method, arguments)));
  }

  private static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.size()];
    Arrays.setAll(values, tensor::get);
    return values;
  }

  private static long[] integers(Tensor tensor) {
    long[] values = new long[(int) tensor.size()];
    Arrays.setAll(values, tensor::getLong);
    return values;
  }

  /** The start of training. */
  private static TunedDecoder begin(ModelFolder model, Kernels kernels, TuningMethod method) {
    return TunedDecoder.begin(model, kernels, POSITIONS, method, new SplittableRandom(0));
  }

  private double[] train(MechanismSpec mechanism, List<Example> examples, ExecutionSpec execution)
      throws IOException {
    return train(mechanism, TUNING, examples, execution, () -> {}, update -> {});
  }

  /** The adapter's parameters after training with the key that {@link #KEY_SEED} gives. */
  private double[] train(
      MechanismSpec mechanism,
      TuningSpec tuning,
      List<Example> examples,
      ExecutionSpec execution,
      Runnable save,
      Consumer<Update> observer)
      throws IOException {
    TinySetting setting = new TinySetting(folder);
    ledgers = StateFolder.make(folder.resolve("ledgers-" + System.nanoTime()));
    try (ModelFolder model = ModelFolder.open(setting.model());
        Kernels kernels = observed(Synthesis.kernels(execution), observer);
        TunedDecoder tuned = begin(model, kernels, tuning.method());
        TensorArena arena = new TensorArena();
        SecretKey key = SecretKey.insecureDeterministic(KEY_SEED);
        Ledger ledger =
            Ledger.create(
                ledgers, "notes", ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE)) {
      TrainingState state = new TrainingState(tuned, tuning.optimizer(), arena);
      try (PrivateTraining training =
          PrivateTraining.of(tuned, state, mechanism, tuning, execution)) {
        memoryBefore = TensorArena.everGiven();
        training.run(examples, ledger.startRun(mechanism, key), key, 1, save, step -> {});
      }
      return values(state.tuned.parameters());
    }
  }

  /** Steps that stand in the ledger's files, whatever the open ledger holds in memory. */
  private List<Long> paid() {
    return Ledger.read(ledgers, "notes").stream()
        .filter(LedgerRecord.Step.class::isInstance)
        .map(record -> ((LedgerRecord.Step) record).step())
        .toList();
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

  /** Some so long that their norms may be estimated, and short ones between them. */
  private static List<Example> longExamples() {
    SplittableRandom random = new SplittableRandom(2);
    return examples(24).stream()
        .map(example ->
            random.nextBoolean()
                ? example
                : new Example(random.ints(random.nextInt(70, POSITIONS), 0, 256).toArray(), 1))
        .toList();
  }

  private static MechanismSpec mechanism(double noise) {
    return MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, noise, 1, 20, 40, 4, 1e-3);
  }

  private static ExecutionSpec execution(int workers, int rows, int microBatch) {
    return new ExecutionSpec(DType.F32, workers, rows, microBatch, 8);
  }

  @ParameterizedTest
  @FieldSource("METHODS")
  @Tag("R11")
  @Tag("R30")
  void workersAndMicroBatchesGiveTheSameAdapterToTheBit(TuningMethod method) throws IOException {
    TuningSpec tuning = adamW(method);
    List<double[]> trained = new ArrayList<>();
    for (ExecutionSpec execution :
        List.of(
            execution(1, 64, 1),
            execution(1, 400, 7),
            execution(2, 2000, 64),
            execution(2, 64, 64))) {
      trained.add(train(mechanism(1), tuning, examples(40), execution, () -> {}, update -> {}));
      assertArrayEquals(trained.getFirst(), trained.getLast(), execution.toString());
    }
  }

  /** Rules besides flat clipping, which all other tests here have. */
  static final List<ClipRule> RULES =
      List.of(new ClipRule.PerLayer(), new ClipRule.Automatic(0.01), quantile(3));

  private static ClipRule.Quantile quantile(double countNoise) {
    return new ClipRule.Quantile(0.7, 0.9, OptionalDouble.of(countNoise));
  }

  static Stream<Arguments> methodsAndRules() {
    return METHODS.stream()
        .flatMap(method -> RULES.stream().map(rule -> Arguments.of(method, rule)));
  }

  @ParameterizedTest
  @MethodSource("methodsAndRules")
  void workersAndMicroBatchesChangeNoBitUnderAnyRule(TuningMethod method, ClipRule rule)
      throws IOException {
    List<double[]> trained = new ArrayList<>();
    for (ExecutionSpec execution : List.of(execution(1, 64, 1), execution(2, 200, 7))) {
      MechanismSpec mechanism = mechanism(1).withClipRule(rule);
      trained.add(train(mechanism, adamW(method), examples(40), execution, () -> {}, update -> {}));
      assertArrayEquals(trained.getFirst(), trained.getLast(), execution.toString());
    }
  }

  static Stream<Arguments> estimatesAndRules() {
    return Stream.of(TensorPatterns.ALL, new TensorPatterns(List.of("*.mlp.*", "*norm*")))
        .flatMap(trained ->
            Stream.concat(Stream.of(new ClipRule.Flat()), RULES.stream())
                .map(rule -> Arguments.of(new TuningMethod.Full(trained, Norms.SKETCHED), rule)));
  }

  @ParameterizedTest
  @MethodSource("estimatesAndRules")
  void workersAndMicroBatchesChangeNoBitByEstimatedNorms(TuningMethod method, ClipRule rule)
      throws IOException {
    List<double[]> trained = new ArrayList<>();
    for (ExecutionSpec execution :
        List.of(execution(1, POSITIONS, 1), execution(2, 4 * POSITIONS, 7))) {
      MechanismSpec mechanism = mechanism(1).withClipRule(rule);
      trained.add(
          train(mechanism, adamW(method), longExamples(), execution, () -> {}, update -> {}));
      assertArrayEquals(trained.getFirst(), trained.getLast(), execution.toString());
    }
  }

  /** C of each step of a run that draws nobody: by the noise of the counts alone. */
  @Test
  @Tag("R27")
  void countsOfEmptyDrawsAreNoiseOfTheirOwnStream() throws IOException {
    MechanismSpec mechanism = rare().withClipRule(quantile(3));
    List<Update> updates = new ArrayList<>();
    train(mechanism, TUNING, examples(40), execution(1, 64, 1), () -> {}, updates::add);
    double clipNorm = 0.5;
    List<Double> path = new ArrayList<>();
    for (Update update : updates) {
      path.add(clipNorm);
      assertEquals(clipNorm / (1 << GRID_BITS) / 3, update.scale(), "C of step " + update.number());
      // The count costs its part: the sum has more noise than the step is priced by.
      double sigma = 1 / Math.sqrt(1 / (1.5 * 1.5) - 1 / (6.0 * 6.0));
      long[] noise = new long[update.sums().length];
      try (SecretKey key = keyOf(update.number())) {
        new NoiseStream(key).addTo(noise, 0, update.number(), sigma * (1L << GRID_BITS));
      }
      for (int i = 0; i < noise.length; i++) {
        assertEquals(noise[i], update.sums()[i], 1, "of step " + update.number());
      }
      clipNorm =
          Math.min(1e6, clipNorm * Math.exp(-0.9 * (0.5 + countNoise(update, 6) / 6.0 - 0.7)));
    }
    assertEquals(3, path.stream().distinct().count(), path.toString());
  }

  /** The noise of a step's count, of so many halves of a record. */
  private static long countNoise(Update update, double sigma) {
    long[] noise = new long[1];
    try (SecretKey key = keyOf(update.number())) {
      new NoiseStream(key, Purpose.CLIP_COUNT).addTo(noise, 0, update.number(), sigma);
    }
    return noise[0];
  }

  /**
   * At a learning rate that vanishes every step meets the same weights, and so the same norms: what
   * enters is clipped to the C of the step, and C moves by how many are within it, and the noise.
   */
  @ParameterizedTest
  @FieldSource("METHODS")
  void theClipNormFollowsNoisyCountsOfTheDraw(TuningMethod method) throws IOException {
    TuningSpec still = new TuningSpec(method, Optimizers.adamW(1e-60), GRID_BITS);
    List<Example> examples = examples(40);
    double start = medianNorm(method, examples);
    ClipRule.Quantile rule = quantile(3);
    MechanismSpec mechanism =
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, start, 15, 40, 4, 1e-3)
            .withClipRule(rule);
    List<Update> updates = new ArrayList<>();
    train(mechanism, still, examples, execution(2, 200, 8), () -> {}, updates::add);
    double clipNorm = start;
    List<Long> noises = new ArrayList<>();
    for (Update update : updates) {
      String where = "step " + update.number();
      assertEquals(clipNorm / (1 << GRID_BITS) / 15, update.scale(), where);
      long[] expected = new long[update.sums().length];
      try (SecretKey key = keyOf(update.number())) {
        double sigma = mechanism.sumNoiseMultiplier() * (1L << GRID_BITS);
        new NoiseStream(key).addTo(expected, 0, update.number(), sigma);
      }
      long balance = 0;
      for (ClippedSum one : drawnAlone(method, mechanism, update.number(), examples, clipNorm)) {
        balance += one.balance();
        for (int i = 0; i < expected.length; i++) {
          expected[i] += one.sums().getLong(i);
        }
      }
      assertArrayEquals(expected, update.sums(), where);
      long noise = countNoise(update, 6);
      noises.add(noise);
      clipNorm = clipNorm * StrictMath.exp(-0.9 * (0.5 + (balance + noise) / 30.0 - 0.7));
    }
    assertNotEquals(List.of(0L, 0L, 0L, 0L), noises, "counts have noise");
  }

  private final TensorArena kept = new TensorArena();

  @AfterEach
  void free() {
    kept.close();
  }

  /** The sums of the records that the key draws in a step, each by itself. */
  private List<ClippedSum> drawnAlone(
      TuningMethod method, MechanismSpec mechanism, long step, List<Example> examples, double norm)
      throws IOException {
    int[] drawn;
    try (SecretKey key = keyOf(step)) {
      drawn = new PoissonSampler(key, mechanism).draw(step, examples.size());
    }
    List<Example> batch = Arrays.stream(drawn).mapToObj(examples::get).toList();
    return alone(method, batch, norm);
  }

  private List<ClippedSum> alone(TuningMethod method, List<Example> examples, double norm)
      throws IOException {
    List<ClippedSum> sums = new ArrayList<>();
    try (ModelFolder model = ModelFolder.open(new TinySetting(folder).model());
        Kernels kernels = new CpuKernels(DType.F32);
        TunedDecoder tuned = begin(model, kernels, method);
        TensorArena arena = new TensorArena()) {
      ExampleGradients gradients =
          ExampleGradients.of(tuned.decoder(), tuned.tuned(), POSITIONS, 1, arena);
      for (Example example : examples) {
        ClippedSum one = ClippedSum.of(tuned.decoder(), tuned.tuned(), norm, GRID_BITS, kept);
        gradients.group().clear();
        gradients.group().add(example.tokens(), example.prefix());
        gradients.accumulate(one);
        sums.add(one);
      }
    }
    return sums;
  }

  /** A norm that some of the gradients have at most, and others not. */
  private double medianNorm(TuningMethod method, List<Example> examples) throws IOException {
    double low = 1e-4;
    double high = 1e4;
    while (high / low > 1.01) {
      double middle = Math.sqrt(low * high);
      long balance =
          alone(method, examples.subList(0, 9), middle).stream()
              .mapToLong(ClippedSum::balance)
              .sum();
      if (balance > 0) {
        high = middle;
      } else {
        low = middle;
      }
    }
    return high;
  }

  /** Without noise the counts are exact. */
  @Test
  void withoutNoiseTheClipNormFollowsExactCounts() throws IOException {
    MechanismSpec all =
        MechanismSpec.nonPrivate(NeighbouringRelation.ADD_REMOVE, 1e-3, 40, 40, 3, 1e-3)
            .withClipRule(quantile(0));
    List<Update> updates = new ArrayList<>();
    List<Example> examples = examples(40);
    train(all, TUNING, examples, execution(1, 64, 1), () -> {}, updates::add);
    // One of two tokens has a gradient at all; where there is none, its norm of 0 is within C.
    long balance = alone(LORA, examples, 1e-3).stream().mapToLong(ClippedSum::balance).sum();
    double second = 1e-3 * StrictMath.exp(-0.9 * (0.5 + balance / 80.0 - 0.7));
    assertEquals(1e-3 / (1 << GRID_BITS) / 40, updates.get(0).scale());
    assertEquals(second / (1 << GRID_BITS) / 40, updates.get(1).scale());
  }

  /** Two processes, the second of which goes on from what the first left on disk. */
  @ParameterizedTest
  @MethodSource("methodsAndRules")
  void aRunThatGoesOnComesToTheSameBits(TuningMethod method, ClipRule rule) throws IOException {
    MechanismSpec mechanism = mechanism(1).withClipRule(rule);
    double[] whole =
        train(mechanism, adamW(method), examples(40), execution(2, 200, 8), () -> {}, update -> {});
    Path checkpoint = folder.resolve("checkpoint-" + System.nanoTime());
    part(mechanism, method, checkpoint, 1, 2);
    assertArrayEquals(whole, part(mechanism, method, checkpoint, 3, 4));
  }

  /**
   * Makes some of the steps with the keys that they have in one process; returns the parameters.
   */
  private double[] part(
      MechanismSpec mechanism, TuningMethod method, Path checkpoint, long from, long to)
      throws IOException {
    Path account = StateFolder.make(folder.resolve("ledgers-" + System.nanoTime()));
    try (ModelFolder model = ModelFolder.open(new TinySetting(folder).model());
        Kernels kernels = new CpuKernels(DType.F32);
        TunedDecoder tuned = begin(model, kernels, method);
        TensorArena arena = new TensorArena();
        SecretKey key = keyOf(from);
        Ledger ledger =
            Ledger.create(
                account, "notes", ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE)) {
      TrainingState state = new TrainingState(tuned, TUNING.optimizer(), arena);
      state.load(checkpoint, "run", from - 1);
      assertEquals(from - 1, state.updates);
      try (PrivateTraining training =
          PrivateTraining.of(tuned, state, mechanism, adamW(method), execution(2, 200, 8))) {
        training.run(
            examples(40),
            ledger.startRun(mechanism, key),
            key,
            from,
            () -> {
              state.save(checkpoint, "run");
              if (state.updates == to && to < mechanism.steps()) {
                throw new Stopped();
              }
            },
            step -> {});
      } catch (Stopped _) {
        assertEquals(to, state.updates);
      }
      return values(state.tuned.parameters());
    }
  }

  private static final class Stopped extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  /** C on disk is the one that the rule leads to, or training does not begin. */
  @Test
  void aClipNormThatTheRuleDoesNotLeadToIsRefused() throws IOException {
    MechanismSpec flat = mechanism(1);
    MechanismSpec moves = mechanism(1).withClipRule(quantile(3));
    try (ModelFolder model = ModelFolder.open(new TinySetting(folder).model());
        Kernels kernels = new CpuKernels(DType.F32);
        TunedDecoder tuned = begin(model, kernels, LORA);
        TensorArena arena = new TensorArena()) {
      TrainingState state = new TrainingState(tuned, TUNING.optimizer(), arena);
      assertEquals(1, state.clipNorm(flat));
      assertEquals(1, state.clipNorm(moves));
      state.updates = 2;
      assertEquals(1, state.clipNorm(flat), "states from before it was kept");
      assertThrows(InputException.class, () -> state.clipNorm(moves), "lost");
      for (double bad : new double[] {0, -1, 1e-7, 1e7, Double.NaN, Double.POSITIVE_INFINITY}) {
        state.clipNorm = OptionalDouble.of(bad);
        assertThrows(InputException.class, () -> state.clipNorm(moves), "" + bad);
        assertThrows(InputException.class, () -> state.clipNorm(flat), "" + bad);
        assertThrows(
            InputException.class,
            () -> PrivateTraining.of(tuned, state, moves, TUNING, execution(1, 64, 1)));
      }
      state.clipNorm = OptionalDouble.of(0.25);
      assertEquals(0.25, state.clipNorm(moves));
      assertThrows(InputException.class, () -> state.clipNorm(flat), "it does not move");
    }
  }

  /** Speed and memory only: the sums, the noise on them and what comes of them stay. */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BF16", "F32", "F64"})
  void recomputingGivesTheSameAdapterToTheBit(DType compute) throws IOException {
    for (TuningMethod method : METHODS) {
      if (method instanceof TuningMethod.Full) {
        continue;
      }
      TuningSpec tuning = adamW(method);
      ExecutionSpec keeping = new ExecutionSpec(compute, 2, 80, 3, 8);
      List<double[]> trained = new ArrayList<>();
      for (boolean recompute : new boolean[] {false, true}) {
        ExecutionSpec execution = keeping.withRecompute(recompute);
        assertEquals(recompute, execution.forLength(90).recompute());
        trained.add(train(mechanism(1), tuning, examples(12), execution, () -> {}, update -> {}));
      }
      assertArrayEquals(trained.getFirst(), trained.getLast(), method.id());
    }
  }

  @ParameterizedTest
  @FieldSource("OPTIMIZERS")
  @Tag("R11")
  void everyOptimizerComesToTheSameBitsWithAnyWorkers(OptimizerSpec optimizer) throws IOException {
    TuningSpec tuning = new TuningSpec(new TuningMethod.Full(), optimizer, GRID_BITS);
    double[] expected = null;
    for (ExecutionSpec execution :
        List.of(execution(1, 64, 1), execution(2, 64, 64), execution(3, 400, 7))) {
      double[] trained =
          train(mechanism(1), tuning, examples(40), execution, () -> {}, update -> {});
      expected = expected == null ? trained : expected;
      assertArrayEquals(expected, trained, execution.toString());
    }
  }

  /** What a limit of memory shares out otherwise, it does not change. */
  @ParameterizedTest
  @FieldSource("METHODS")
  @Tag("R11")
  void aLimitOfMemoryChangesNoBit(TuningMethod method) throws IOException {
    RunSettings settings =
        TinySetting.settings(RunSettings.Goal.of(8), 4, OptionalDouble.empty(), method);
    ExecutionSpec wide = execution(3, 400, 8);
    List<ExecutionSpec> chosen = new ArrayList<>();
    try (ModelFolder model = ModelFolder.open(new TinySetting(folder).model())) {
      RunPlan plan = RunPlan.of(settings, model.config());
      long least = MemoryPlan.of(plan, MemoryPlan.Base.of(model), execution(1, 1, 1)).bytes();
      long most = MemoryPlan.of(plan, MemoryPlan.Base.of(model), wide).bytes();
      for (long limit : new long[] {most, (least + most) / 2, least}) {
        chosen.add(MemoryPlan.fit(plan, MemoryPlan.Base.of(model), wide, limit));
      }
    }
    assertEquals(3, chosen.stream().distinct().count(), chosen.toString());
    double[] expected = null;
    for (ExecutionSpec execution : chosen) {
      double[] trained =
          train(mechanism(1), adamW(method), examples(40), execution, () -> {}, update -> {});
      expected = expected == null ? trained : expected;
      assertArrayEquals(expected, trained, execution.toString());
    }
  }

  static Stream<Arguments> allMemoryOfAStepIsTakenBeforeTheFirstDraw() {
    return Stream.concat(
        METHODS.stream()
            .flatMap(method ->
                Stream.of(DType.F32, DType.BF16)
                    .map(compute -> Arguments.of(adamW(method), compute))),
        OPTIMIZERS.stream()
            .map(optimizer ->
                Arguments.of(
                    new TuningSpec(new TuningMethod.Full(), optimizer, GRID_BITS), DType.F32)));
  }

  /**
   * A step that took memory when a record first needs it could fail for want of it: then a record
   * would decide whether the run goes on.
   */
  @ParameterizedTest
  @MethodSource
  void allMemoryOfAStepIsTakenBeforeTheFirstDraw(TuningSpec tuning, DType compute)
      throws IOException {
    MechanismSpec all = MechanismSpec.nonPrivate(NeighbouringRelation.ADD_REMOVE, 1, 2, 2, 3, 1e-3);
    List<Long> taken = new ArrayList<>();
    train(
        all,
        tuning,
        examples(60),
        new ExecutionSpec(compute, 2, 80, 3, 8),
        () -> taken.add(TensorArena.everGiven() - memoryBefore),
        update -> {});
    assertEquals(List.of(0L, 0L, 0L), taken, "after each step");
  }

  /**
   * A batch has no largest size: were it cut, one record would decide whether another takes part,
   * and the draw would not be the one that is accounted for.
   */
  @Test
  void everyRecordThatIsDrawnCountsHoweverManyAre() throws IOException {
    MechanismSpec all = MechanismSpec.nonPrivate(NeighbouringRelation.ADD_REMOVE, 1, 2, 2, 1, 1e-3);
    List<Example> examples = examples(60);
    long[] expected = firstSum(all, examples.subList(0, 1));
    for (int i = 1; i < examples.size(); i++) {
      long[] one = firstSum(all, examples.subList(i, i + 1));
      Arrays.setAll(expected, j -> expected[j] + one[j]);
    }
    assertArrayEquals(expected, firstSum(all, examples));
  }

  private long[] firstSum(MechanismSpec mechanism, List<Example> examples) throws IOException {
    List<Update> updates = new ArrayList<>();
    train(mechanism, TUNING, examples, execution(2, 200, 8), () -> {}, updates::add);
    return updates.getFirst().sums();
  }

  /** Which worker takes which records, and when, is another in each run: 100 in the full suite. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4})
  @Tag("R11")
  void repeatedRunsGiveTheSameSumsAndAdapterToTheBit(int workers) throws IOException {
    List<Example> examples = examples(40);
    List<Update> expected = new ArrayList<>();
    train(mechanism(1), TUNING, examples, execution(1, 64, 1), () -> {}, expected::add);
    for (int run = 1; run <= FullTests.size(3, 100); run++) {
      List<Update> updates = new ArrayList<>();
      train(mechanism(1), TUNING, examples, execution(workers, 64, 2), () -> {}, updates::add);
      assertEquals(expected.size(), updates.size());
      for (int step = 0; step < updates.size(); step++) {
        String where = "run " + run + ", step " + (step + 1);
        assertArrayEquals(expected.get(step).sums(), updates.get(step).sums(), where);
        assertArrayEquals(expected.get(step).after(), updates.get(step).after(), where);
      }
    }
  }

  @Test
  @Tag("R01")
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
    for (int i = 40; i < 1000; i++) {
      boolean drawn = false;
      for (int step = 1; step <= 4; step++) {
        int index = i;
        try (SecretKey key = keyOf(step)) {
          int[] draw = new PoissonSampler(key, mechanism(1)).draw(step, i + 1);
          drawn |= Arrays.stream(draw).anyMatch(d -> d == index);
        }
      }
      if (!drawn) {
        return i;
      }
    }
    throw new AssertionError("every record was drawn");
  }

  @Test
  @Tag("R03")
  void emptyDrawsAreStepsLikeAnyOther() throws IOException {
    // R03: at a rate of 1e-9 no step draws a record; all are paid for, and each adds its own noise.
    MechanismSpec rare =
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1, 1, 1_000_000_000, 4, 1e-10);
    double[] withRecords = train(rare, examples(40), execution(1, 64, 1));
    double[] without = train(rare, List.of(), execution(1, 64, 1));
    assertArrayEquals(without, withRecords);
  }

  /** What was clipped to one norm must not be accounted for as if it were another. */
  @Test
  @Tag("R18")
  void aSumOfAnotherClipNormIsRefused() {
    try (Kernels kernels = new ReferenceKernels()) {
      IllegalArgumentException refused =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  new PrivateTraining(
                      kernels,
                      mechanism(1),
                      1,
                      arena -> new VectorSum(kernels, 5, 2, GRID_BITS, arena),
                      arena -> new CanaryGradients(kernels, 5, arena),
                      (sums, first, scale, step) -> {}));
      assertTrue(refused.getMessage().contains("clips to 2.0"), refused.getMessage());
    }
  }

  /** A mechanism that draws nobody: C is 1/2, sigma 3/2, the divisor 3. */
  private static MechanismSpec rare() {
    return MechanismSpec.of(
        NeighbouringRelation.ADD_REMOVE, 1.5, 0.5, 3, 3_000_000_000_000L, 3, 1e-13);
  }

  /** The run's key as it stands in a step: the keys of earlier steps are gone. */
  private static SecretKey keyOf(long step) {
    SecretKey key = SecretKey.insecureDeterministic(KEY_SEED);
    for (long before = 1; before < step; before++) {
      key.advance(before);
    }
    return key;
  }

  /** The integers of the run's noise in a step. */
  private static long[] noise(MechanismSpec mechanism, long step, int size) {
    long[] noise = new long[size];
    try (SecretKey key = keyOf(step)) {
      double sigma = mechanism.noiseMultiplier() * (1L << GRID_BITS);
      new NoiseStream(key).addTo(noise, 0, step, sigma);
    }
    return noise;
  }

  @Test
  @Tag("R18")
  @Tag("R43")
  void anEmptyDrawIsNoiseOfTheStepToTheBit() throws IOException {
    // R03, R18, R20: the sum is the stream's integers of this key, step and sigma C, once.
    List<Update> updates = new ArrayList<>();
    train(rare(), TUNING, examples(40), execution(1, 64, 1), () -> {}, updates::add);
    assertEquals(3, updates.size());
    for (Update update : updates) {
      long[] expected = noise(rare(), update.number(), update.sums().length);
      assertArrayEquals(expected, update.sums(), "step " + update.number());
      assertEquals(0.5 / (1 << GRID_BITS) / 3, update.scale(), "C, grid and the fixed divisor");
    }
  }

  @ParameterizedTest
  @FieldSource("METHODS")
  @Tag("R20")
  void theUpdateFollowsFromTheNoisyIntegers(TuningMethod method) throws IOException {
    TuningSpec tuning = adamW(method);
    List<Update> updates = new ArrayList<>();
    double[] trained =
        train(rare(), tuning, examples(40), execution(1, 64, 1), () -> {}, updates::add);
    assertArrayEquals(updates.getLast().after(), trained, "nothing moves them but the update");
    try (TensorArena arena = new TensorArena()) {
      int size = trained.length;
      Tensor parameters = arena.allocate(DType.F64, size);
      Tensor first = arena.allocate(DType.F64, size);
      Tensor second = arena.allocate(DType.F64, size);
      Tensor sums = arena.allocate(DType.I64, size);
      for (int i = 0; i < size; i++) {
        parameters.set(i, updates.getFirst().before()[i]);
      }
      for (int step = 1; step <= 3; step++) {
        long[] noise = noise(rare(), step, size);
        for (int i = 0; i < size; i++) {
          sums.setLong(i, noise[i]);
        }
        new ReferenceKernels()
            .optimizer()
            .update(
                sums,
                0.5 / (1 << GRID_BITS) / 3,
                (Optimizer.Adaptive) tuning.optimizer().at(step, 3),
                step,
                parameters,
                first,
                second);
      }
      assertArrayEquals(values(parameters), trained, 3e-6);
    }
  }

  static Stream<Arguments> anOptimizerSeesTheNoisySumAndNothingElse() {
    return OPTIMIZERS.stream()
        .flatMap(optimizer ->
            Stream.of(LORA, new TuningMethod.Full())
                .map(method -> Arguments.of(new TuningSpec(method, optimizer, GRID_BITS))));
  }

  /**
   * Whatever an optimizer makes of a step, the integers it reads are the noisy ones, each time it
   * reads them, and the parameters are what the float64 reference makes of those.
   */
  @ParameterizedTest
  @MethodSource
  @Tag("R20")
  void anOptimizerSeesTheNoisySumAndNothingElse(TuningSpec tuning) throws IOException {
    List<Update> calls = new ArrayList<>();
    double[] trained =
        train(rare(), tuning, examples(40), execution(1, 64, 1), () -> {}, calls::add);
    int size = trained.length;
    long[][] noise = new long[3][];
    for (int step = 1; step <= 3; step++) {
      noise[step - 1] = noise(rare(), step, size);
    }
    long[] read = calls.stream().flatMapToLong(call -> Arrays.stream(call.sums())).toArray();
    int passes = tuning.optimizer().kind() == OptimizerKind.ADAFACTOR ? 3 : 1;
    assertEquals(3 * passes * size, read.length, "all of it, once a pass");
    for (int pass = 0; pass < 3 * passes; pass++) {
      long[] of = Arrays.copyOfRange(read, pass * size, (pass + 1) * size);
      assertArrayEquals(noise[pass / passes], of, "pass " + pass);
    }
    assertArrayEquals(referenceOf(tuning, noise), trained, 3e-6);
  }

  /** What the float64 kernels make of noise alone. */
  private double[] referenceOf(TuningSpec tuning, long[][] noise) throws IOException {
    try (ModelFolder model = ModelFolder.open(new TinySetting(folder).model());
        Kernels kernels = new ReferenceKernels();
        TunedDecoder tuned = begin(model, kernels, tuning.method());
        Workers workers = new Workers(1, "test");
        TensorArena arena = new TensorArena()) {
      TrainingState state = new TrainingState(tuned, tuning.optimizer(), arena);
      Tensor sums = arena.allocate(DType.I64, tuned.tuned().size());
      for (int step = 1; step <= noise.length; step++) {
        for (int i = 0; i < sums.size(); i++) {
          sums.setLong(i, noise[step - 1][i]);
        }
        Optimizer.Settings settings = tuning.optimizer().at(step, noise.length);
        double scale = 0.5 / (1 << GRID_BITS) / 3;
        state.update(sums, 0, scale, settings);
        state.end(workers, sums, scale, settings);
      }
      return values(tuned.tuned().parameters());
    }
  }

  @ParameterizedTest
  @FieldSource("METHODS")
  @Tag("R14")
  @Tag("R19")
  void aDrawIsItsRecordsClippedOneByOneAndTheNoise(TuningMethod method) throws IOException {
    // At a learning rate that vanishes every step meets the same weights.
    TuningSpec still = new TuningSpec(method, Optimizers.adamW(1e-60), GRID_BITS);
    MechanismSpec mechanism =
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1, 15, 40, 4, 1e-3);
    List<Example> examples = examples(40);
    List<Update> updates = new ArrayList<>();
    train(mechanism, still, examples, execution(2, 200, 8), () -> {}, updates::add);
    List<Integer> sizes = new ArrayList<>();
    for (Update update : updates) {
      long[] expected = noise(mechanism, update.number(), update.sums().length);
      sizes.add(addDrawn(method, mechanism, update.number(), examples, expected));
      assertArrayEquals(expected, update.sums(), "step " + update.number());
      assertEquals(1.0 / (1 << GRID_BITS) / mechanism.expectedBatch(), update.scale());
    }
    assertTrue(sizes.stream().distinct().count() > 1, "draws of " + sizes);
  }

  /** What an estimate consists of is drawn anew for each step, by its number. */
  @Test
  void aDrawIsItsRecordsClippedByTheEstimatesOfTheStep() throws IOException {
    TuningMethod method = new TuningMethod.Full(Norms.SKETCHED);
    // At a learning rate that vanishes every step meets the same weights.
    TuningSpec still = new TuningSpec(method, Optimizers.adamW(1e-60), GRID_BITS);
    MechanismSpec mechanism =
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1e-2, 9, 24, 3, 1e-3);
    List<Example> examples = longExamples();
    List<Update> updates = new ArrayList<>();
    ExecutionSpec execution = execution(2, 3 * POSITIONS, 8);
    train(mechanism, still, examples, execution, () -> {}, updates::add);
    for (Update update : updates) {
      long[] expected = noise(mechanism, update.number(), update.sums().length);
      assertTrue(addDrawn(method, mechanism, update.number(), examples, expected) > 0);
      assertArrayEquals(expected, update.sums(), "step " + update.number());
    }
  }

  /** Adds the records that the key draws in a step, each by itself; returns how many. */
  private int addDrawn(
      TuningMethod method, MechanismSpec mechanism, long step, List<Example> examples, long[] sums)
      throws IOException {
    try (ModelFolder model = ModelFolder.open(new TinySetting(folder).model());
        Kernels kernels = new CpuKernels(DType.F32);
        TunedDecoder tuned = begin(model, kernels, method);
        TensorArena arena = new TensorArena();
        SecretKey key = keyOf(step)) {
      ExampleGradients gradients =
          ExampleGradients.of(tuned.decoder(), tuned.tuned(), POSITIONS, 1, arena);
      int[] drawn = new PoissonSampler(key, mechanism).draw(step, examples.size());
      for (int i : drawn) {
        ClippedSum one =
            ClippedSum.of(tuned.decoder(), tuned.tuned(), mechanism.clipNorm(), GRID_BITS, arena);
        gradients.startStep(step);
        gradients.group().clear();
        gradients.group().add(examples.get(i).tokens(), examples.get(i).prefix());
        gradients.accumulate(one);
        for (int k = 0; k < sums.length; k++) {
          sums[k] += one.sums().getLong(k);
        }
      }
      return drawn.length;
    }
  }

  @Test
  void aStepIsOnDiskBeforeItsUpdate() throws IOException {
    List<List<Long>> paid = new ArrayList<>();
    train(
        mechanism(1),
        TUNING,
        examples(40),
        execution(1, 400, 8),
        () -> {},
        update -> paid.add(paid()));
    assertEquals(
        List.of(List.of(1L), List.of(1L, 2L), List.of(1L, 2L, 3L), List.of(1L, 2L, 3L, 4L)), paid);
  }

  @Test
  void aStepWhoseStateCannotBeSavedIsPaidFor() {
    Runnable full =
        () -> {
          throw new UncheckedIOException(new IOException("no space left on device"));
        };
    assertThrows(
        UncheckedIOException.class,
        () -> train(mechanism(1), TUNING, examples(40), execution(1, 400, 8), full, update -> {}));
    assertEquals(List.of(1L), paid());
  }
}
