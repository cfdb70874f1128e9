package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import palimpsest.engine.generate.Scorer;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.Norms;
import palimpsest.engine.model.Role;
import palimpsest.engine.model.TensorPatterns;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.tensor.Tensor;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.synth.bench.RandomModel;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Tokenizer;

/** The whole job in every way of tuning: one flag, one statement. */
class MethodsTest {
  static final List<TuningMethod> METHODS =
      List.of(
          TuningMethod.Lora.of(2),
          new TuningMethod.Prompt(7),
          new TuningMethod.Bias(Set.of()),
          new TuningMethod.Bias(EnumSet.of(Role.DOWN)),
          new TuningMethod.Full(),
          new TuningMethod.Full(Norms.SKETCHED),
          new TuningMethod.Full(new TensorPatterns(List.of("*.mlp.*", "model.embed_tokens.*"))),
          new TuningMethod.Full(new TensorPatterns(List.of("!model.layers.0.*"))));

  @TempDir Path folder;
  private TinySetting setting;

  @BeforeEach
  void setUp() throws IOException {
    setting = new TinySetting(folder);
  }

  private List<LedgerRecord> ledger() {
    return Ledger.read(StateFolder.ledgers(setting.state()), "notes");
  }

  private static long steps(List<LedgerRecord> ledger) {
    return ledger.stream().filter(LedgerRecord.Step.class::isInstance).count();
  }

  private JsonNode statement() throws IOException {
    return new ObjectMapper().readTree(setting.out().resolve(Synthesis.STATEMENT_JSON).toFile());
  }

  /** What a run promises follows from its mechanism; the method stands beside it. */
  @Test
  void theStatementIsTheSameForEveryMethod() throws IOException {
    List<List<String>> guarantees = new ArrayList<>();
    for (TuningMethod method : METHODS) {
      TinySetting own =
          new TinySetting(Files.createDirectories(folder.resolve("run-" + guarantees.size())));
      Synthesis.Outcome outcome = own.run(method, 4, 6, false, SynthesisListener.silent());
      JsonNode statement =
          new ObjectMapper().readTree(own.out().resolve(Synthesis.STATEMENT_JSON).toFile());
      assertEquals(method.id(), statement.at("/made/method").asText());
      List<String> guarantee = new ArrayList<>();
      for (String field :
          List.of(
              "epsilon", "delta", "noiseMultiplier", "samplingThreshold", "steps", "clipNorm")) {
        guarantee.add(statement.required(field).asText());
      }
      guarantee.add(outcome.statement().text().lines().findFirst().orElseThrow());
      guarantees.add(guarantee);
    }
    assertEquals(1, guarantees.stream().distinct().count(), guarantees.toString());
  }

  @ParameterizedTest
  @FieldSource("METHODS")
  void writesWhatItTunedAndSamplesFromIt(TuningMethod method) throws IOException {
    Synthesis.Outcome outcome = setting.run(method, 6, 8, false, SynthesisListener.silent());
    assertEquals(6, steps(ledger()));
    Path saved = setting.out().resolve(Synthesis.tunedFolder(method));
    try (ModelFolder model = ModelFolder.open(setting.model())) {
      assertEquals(
          method.parameterCount(model.config()), statement().at("/made/parameters").asLong());
      try (Kernels kernels = Synthesis.kernels(TinySetting.execution());
          TunedDecoder begun = Synthesis.begin(outcome.plan(), model, kernels);
          TunedDecoder tuned = parameters(outcome, model, kernels, saved)) {
        assertEquals(begun.tuned().method(), tuned.tuned().method());
        long moved =
            LongStream.range(0, tuned.tuned().size())
                .filter(i -> begun.tuned().parameters().get(i) != tuned.tuned().parameters().get(i))
                .count();
        // Noise moves every parameter; one in ten thousand comes back to the very float it was.
        assertTrue(moved >= 0.999 * tuned.tuned().size(), moved + " moved");
      }
    }
    AdapterCard card = AdapterCard.read(saved).orElseThrow();
    assertEquals(64, card.maxTokens());
    assertEquals(outcome.statement().text(), card.statement());
    try (TunedModel tuned =
        new TunedModel(
            setting.model(),
            saved,
            card.labels(),
            card.prompt(),
            TinySetting.execution(),
            card.maxTokens())) {
      SamplingSettings more = new SamplingSettings(5, 1, 0, 1, 0.5, true, 1);
      List<SyntheticRecord> records = tuned.sample(more, SynthesisListener.silent());
      assertTrue(records.size() <= 5 && !records.isEmpty(), records.size() + " records");
    }
  }

  /** The released model holds the base model's own bits where nothing was trained. */
  @Test
  void whatIsFrozenIsReleasedAsItWas() throws IOException {
    TensorPatterns trained = new TensorPatterns(List.of("*.mlp.*", "*norm*", "!model.norm.*"));
    setting.run(new TuningMethod.Full(trained), 3, 0, false, SynthesisListener.silent());
    Path saved = setting.out().resolve(Synthesis.MODEL);
    assertEquals(trained.patterns(), AdapterCard.read(saved).orElseThrow().trained());
    try (ModelFolder before = ModelFolder.open(setting.model());
        ModelFolder after = ModelFolder.open(saved)) {
      for (Role role : List.of(Role.EMBEDDING, Role.FINAL_NORM)) {
        assertTrue(isSame(before.weight(role, 0), after.weight(role, 0)), role.name());
      }
      for (int layer = 0; layer < before.config().layers(); layer++) {
        for (Role role : List.of(Role.QUERY, Role.KEY, Role.VALUE, Role.ATTENTION_OUTPUT)) {
          assertTrue(isSame(before.weight(role, layer), after.weight(role, layer)), role.name());
        }
        for (Role role : List.of(Role.GATE, Role.UP, Role.DOWN, Role.ATTENTION_NORM)) {
          assertFalse(isSame(before.weight(role, layer), after.weight(role, layer)), role.name());
        }
      }
    }
  }

  private static boolean isSame(Tensor a, Tensor b) {
    return a.type() == b.type() && a.data().mismatch(b.data()) == -1;
  }

  /** What was saved, with its parameters: those of a whole model are its weights. */
  private static TunedDecoder parameters(
      Synthesis.Outcome outcome, ModelFolder model, Kernels kernels, Path saved) {
    if (!(outcome.plan().tuning().method() instanceof TuningMethod.Full)) {
      return TunedDecoder.open(model, kernels, 64, saved);
    }
    try (ModelFolder whole = ModelFolder.open(saved)) {
      assertEquals(model.config(), whole.config());
      return Synthesis.begin(outcome.plan(), whole, kernels);
    }
  }

  /** Every method's update goes the right way: texts of the data become likelier. */
  @ParameterizedTest
  @FieldSource("METHODS")
  void withoutNoiseItLearns(TuningMethod method) throws IOException {
    TinySetting learner = TinySetting.learner(Files.createDirectories(folder.resolve("learner")));
    RunSettings.Goal noiseless = RunSettings.Goal.of(Double.POSITIVE_INFINITY);
    RunSettings settings = TinySetting.settings(noiseless, 60, OptionalDouble.empty(), method);
    Synthesis.Outcome outcome = learner.run(settings, 0, false, SynthesisListener.silent());
    try (ModelFolder model = ModelFolder.open(learner.model());
        Kernels kernels = Synthesis.kernels(TinySetting.execution());
        TunedDecoder begun = Synthesis.begin(outcome.plan(), model, kernels);
        TunedDecoder tuned =
            TunedDecoder.open(
                model, kernels, 64, learner.out().resolve(Synthesis.tunedFolder(method)))) {
      double before = meanScore(begun, model);
      double after = meanScore(tuned, model);
      assertTrue(after > 0.95 * before, method + ": " + before + " nats a text, then " + after);
    }
  }

  /** Mean log-probability of texts like those of the data, behind a label's prompt. */
  private static double meanScore(TunedDecoder tuned, ModelFolder model) {
    Tokenizer tokenizer = Synthesis.tokenizer(model);
    int[] prompt =
        Synthesis.template(model, tokenizer, TinySetting.LABELS, TinySetting.PROMPT).prefix(0);
    List<int[]> texts =
        Stream.of(17, 404, 921).map(i -> tokenizer.encode("note number " + i)).toList();
    try (Scorer scorer = new Scorer(tuned, 1)) {
      return Arrays.stream(scorer.score(prompt, texts)).average().orElseThrow();
    }
  }

  @ParameterizedTest
  @FieldSource("METHODS")
  void anInterruptedRunGoesOnAndPaysForNoStepTwice(TuningMethod method) throws IOException {
    assertThrows(Interruption.class, () -> setting.run(method, 5, 0, false, Interruption.after(2)));
    assertEquals(2, steps(ledger()));
    for (TuningMethod other : METHODS) {
      if (!other.equals(method)) {
        InputException refused =
            assertThrows(
                InputException.class,
                () -> setting.run(other, 5, 0, true, SynthesisListener.silent()),
                "another method is another run");
        assertTrue(refused.getMessage().contains("other settings"), refused.getMessage());
      }
    }
    setting.run(method, 5, 0, true, SynthesisListener.silent());
    assertEquals(5, steps(ledger()));
    assertEquals(method.id(), statement().at("/made/method").asText());
  }

  @Test
  void anInterruptedRunGoesOnWithItsOwnOptimizerAlone() throws IOException {
    OptimizerChoice own = OptimizerChoice.of(OptimizerKind.SGD, OptionalDouble.of(0.5));
    assertThrows(
        Interruption.class, () -> setting.run(settings(own), 0, false, Interruption.after(2)));
    for (OptimizerChoice other :
        List.of(
            OptimizerChoice.of(OptimizerKind.ADAFACTOR, OptionalDouble.of(0.5)),
            OptimizerChoice.of(OptimizerKind.SGD, OptionalDouble.of(0.25)),
            with(own, OptionalDouble.of(0.9), OptionalInt.empty(), Schedule.LINEAR),
            with(own, OptionalDouble.empty(), OptionalInt.of(1), Schedule.LINEAR),
            with(own, OptionalDouble.empty(), OptionalInt.empty(), Schedule.COSINE))) {
      InputException refused =
          assertThrows(
              InputException.class,
              () -> setting.run(settings(other), 0, true, SynthesisListener.silent()),
              other.toString());
      assertTrue(refused.getMessage().contains("other settings"), refused.getMessage());
    }
    setting.run(settings(own), 0, true, SynthesisListener.silent());
    assertEquals(5, steps(ledger()));
    assertEquals("sgd", statement().at("/made/optimizer").asText());
    assertEquals("linear", statement().at("/made/schedule").asText());
    assertEquals(0.5, statement().at("/made/learningRate").asDouble());
  }

  private static RunSettings settings(OptimizerChoice optimizer) {
    return TinySetting.settings(
        RunSettings.Goal.of(8), 5, OptionalDouble.empty(), new TuningMethod.Full(), optimizer);
  }

  private static OptimizerChoice with(
      OptimizerChoice choice, OptionalDouble momentum, OptionalInt warmup, Schedule schedule) {
    return new OptimizerChoice(
        choice.kind(),
        choice.learningRate(),
        momentum,
        choice.weightDecay(),
        Optional.of(schedule),
        warmup);
  }

  /** What the attack finds is {@code TextAuditTest}'s business: here it must run and not refute. */
  @ParameterizedTest
  @FieldSource("METHODS")
  void theWholeJobCanBeAttacked(TuningMethod method) throws IOException {
    Path temporary = Files.createDirectories(folder.resolve("temporary"));
    try (ModelFolder model = ModelFolder.open(setting.model())) {
      TextAudit.Result found =
          new TextAudit(
                  model,
                  setting.source(),
                  TinySetting.PROMPT,
                  TinySetting.settings(RunSettings.Goal.of(2), 3, OptionalDouble.empty(), method),
                  new SamplingSettings(20, 1, 0, 1, 0, false, 1),
                  TinySetting.execution(),
                  new TextAudit.Attack(50, 1, 0.05))
              .run(temporary, SynthesisListener.silent());
      assertFalse(found.refutesTheClaim(), found.toString());
      assertTrue(found.texts() > 0);
    }
    try (Stream<Path> left = Files.list(temporary)) {
      assertEquals(0, left.count());
    }
  }

  private static RunSettings settings(TuningMethod method, OptionalDouble rate) {
    return new RunSettings(
        RunSettings.Goal.of(8),
        5000,
        96,
        OptionalInt.empty(),
        Duration.ofMinutes(10),
        1,
        method,
        OptionalLong.empty(),
        OptionalInt.empty(),
        rate.isPresent() ? OptimizerChoice.of(OptimizerKind.ADAMW, rate) : OptimizerChoice.none(),
        OptionalDouble.empty());
  }

  @Test
  void aPlanKnowsItsMethod() {
    DecoderConfig model = RandomModel.smollm2();
    RunPlan lora = RunPlan.of(settings(TuningMethod.Lora.of(8), OptionalDouble.empty()), model);
    RunPlan prompt =
        RunPlan.of(settings(new TuningMethod.Prompt(40), OptionalDouble.empty()), model);
    RunPlan bias =
        RunPlan.of(settings(new TuningMethod.Bias(Set.of()), OptionalDouble.empty()), model);
    assertEquals(2e-3, lora.tuning().optimizer().learningRate());
    assertEquals(2e-2, prompt.tuning().optimizer().learningRate());
    assertEquals(5e-3, bias.tuning().optimizer().learningRate());
    assertEquals(
        0.1,
        RunPlan.of(settings(new TuningMethod.Prompt(40), OptionalDouble.of(0.1)), model)
            .tuning()
            .optimizer()
            .learningRate());
    assertEquals(96, lora.longestSequence());
    assertEquals(136, prompt.longestSequence());
    assertEquals(96, bias.longestSequence());
    assertEquals(
        lora.tokens() / (double) lora.mechanism().steps() / lora.mechanism().expectedBatch() + 40,
        prompt.tokens() / (double) prompt.mechanism().steps() / prompt.mechanism().expectedBatch(),
        0.01,
        "virtual tokens are read and cost time");
    assertEquals(23_040, new TuningMethod.Prompt(40).parameterCount(model));
    assertEquals(155_520, new TuningMethod.Bias(Set.of()).parameterCount(model));
    assertEquals(2_442_240, TuningMethod.Lora.of(8).parameterCount(model));
    RunPlan full = RunPlan.of(settings(new TuningMethod.Full(), OptionalDouble.empty()), model);
    assertEquals(5e-4, full.tuning().optimizer().learningRate());
    assertEquals(134_515_008, full.parameters());
    assertEquals(1.5 * lora.seconds() / lora.tokens(), full.seconds() / full.tokens(), 1e-12);
    TuningMethod some = new TuningMethod.Full(new TensorPatterns(List.of("*.mlp.*")));
    RunPlan part = RunPlan.of(settings(some, OptionalDouble.empty()), model);
    assertEquals(30 * 3 * 576 * 1536, part.parameters());
    double share = part.parameters() / 134_515_008.0;
    double perToken = (1 + share / 2) * lora.seconds() / lora.tokens();
    assertEquals(perToken, part.seconds() / part.tokens(), 1e-9 * perToken);
  }

  /** (B + 6 sqrt B + 10 sigma) 2^k < 2^31, and k is the largest. */
  @Test
  void theGridOfAllWeightsLeavesRoomForTheBatchAndTheNoise() {
    DecoderConfig model = RandomModel.smollm2();
    for (double epsilon : new double[] {0.5, 8, Double.POSITIVE_INFINITY}) {
      for (long batch : new long[] {1, 60, 61, 100, 1000, 5000}) {
        RunPlan plan =
            RunPlan.of(
                new RunSettings(
                    RunSettings.Goal.of(epsilon),
                    5000,
                    96,
                    OptionalInt.empty(),
                    Duration.ofMinutes(10),
                    1,
                    new TuningMethod.Full(),
                    OptionalLong.of(batch),
                    OptionalInt.of(20),
                    OptimizerChoice.none(),
                    OptionalDouble.empty()),
                model);
        double noise = plan.mechanism().nonPrivate() ? 0 : 10 * plan.mechanism().noiseMultiplier();
        double most = batch + 6 * Math.sqrt(batch) + noise;
        int bits = plan.tuning().gridBits();
        assertTrue(Math.scalb(most, bits) < 0x1p31, bits + " for " + most);
        assertTrue(bits == 24 || Math.scalb(most, bits + 1) >= 0x1p31, bits + " for " + most);
      }
    }
  }

  /** The fewer parameters, the less memory for gradients; a prompt makes sequences longer. */
  @Test
  void aMethodsMemoryIsItsOwn() {
    DecoderConfig model = RandomModel.smollm2();
    MemoryPlan.Base base = new MemoryPlan.Base(model, 0);
    ExecutionSpec narrow = new ExecutionSpec(DType.BF16, 2, 96, 8, 64);
    List<MemoryPlan> plans =
        Stream.of(
                TuningMethod.Lora.of(8),
                new TuningMethod.Bias(Set.of()),
                new TuningMethod.Prompt(40))
            .map(method ->
                MemoryPlan.of(
                    RunPlan.of(settings(method, OptionalDouble.empty()), model), base, narrow))
            .toList();
    assertTrue(plans.get(0).training() > 10 * plans.get(1).training());
    assertTrue(plans.get(1).training() > 5 * plans.get(2).training());
    assertTrue(plans.get(2).gradients() > plans.get(1).gradients());
    MemoryPlan full =
        MemoryPlan.of(
            RunPlan.of(settings(new TuningMethod.Full(), OptionalDouble.empty()), model),
            base,
            narrow);
    long weights = 134_515_008;
    assertTrue(full.training() >= 8 * weights, "the sum and the weights");
    assertTrue(full.training() < 8.2 * weights, "and hardly more: " + full.training());
    MemoryPlan sketched =
        MemoryPlan.of(
            RunPlan.of(
                settings(new TuningMethod.Full(Norms.SKETCHED), OptionalDouble.empty()), model),
            base,
            narrow);
    long vectors = sketched.gradients() - full.gradients();
    assertTrue(vectors > 2 * 16_000_000L && vectors < 0.03 * full.bytes(), "signs: " + vectors);
    TuningMethod some = new TuningMethod.Full(new TensorPatterns(List.of("model.layers.2?.*")));
    MemoryPlan part =
        MemoryPlan.of(RunPlan.of(settings(some, OptionalDouble.empty()), model), base, narrow);
    long trained = some.parameterCount(model);
    assertEquals(10 * (2 * 576L + 576 * (2 * 576 + 2 * 192 + 3 * 1536)), trained);
    assertTrue(part.training() >= 8 * trained, "of what is trained alone");
    assertTrue(part.training() < 8.4 * trained, "and hardly more: " + part.training());
    assertEquals(full.weights(), part.weights());
    assertTrue(part.gradients() < full.gradients());
  }
}
