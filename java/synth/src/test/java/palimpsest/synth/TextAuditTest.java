package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.engine.tensor.DType;
import palimpsest.engine.train.Example;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.evaluate.Proportion;
import palimpsest.synth.evaluate.Separation;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Template;
import palimpsest.synth.text.Tokenizer;

/** Whole audits of a tiny model that learns by heart, and the attacker on texts made for it. */
class TextAuditTest {
  private static final int MAX_TOKENS = 64;
  private static final int CANARIES = 100;

  @TempDir Path folder;
  @TempDir Path temporary;
  private TinySetting setting;
  private ModelFolder model;

  @BeforeEach
  void open() throws IOException {
    setting = TinySetting.learner(folder);
    model = ModelFolder.open(setting.model());
  }

  @AfterEach
  void close() {
    model.close();
  }

  private static RunSettings settings(double epsilon, int steps) {
    return new RunSettings(
        RunSettings.Goal.of(epsilon),
        1000,
        MAX_TOKENS,
        OptionalInt.empty(),
        Duration.ofMinutes(1),
        1,
        TuningMethod.Lora.of(16),
        OptionalLong.of(32),
        OptionalInt.of(steps),
        OptimizerChoice.of(OptimizerKind.ADAMW, OptionalDouble.of(0.02)),
        OptionalDouble.empty());
  }

  private TextAudit audit(double epsilon, int steps, int repeats) {
    return new TextAudit(
        model,
        setting.source(),
        TinySetting.PROMPT,
        settings(epsilon, steps),
        new SamplingSettings(300, 1, 0, 1, 0, false, 1),
        TinySetting.execution(),
        new TextAudit.Attack(CANARIES, repeats, 0.05));
  }

  private TextAudit.Result run(double epsilon, int steps, int repeats) {
    return audit(epsilon, steps, repeats).run(temporary, SynthesisListener.silent());
  }

  @Test
  void whatIsLearnedByHeartIsSeenAndNothingStaysOnDisk() throws IOException {
    List<Path> before = files(folder);
    byte[] data = Files.readAllBytes(setting.data());
    TextAudit.Result found = run(Double.POSITIVE_INFINITY, 400, 8);
    assertTrue(found.leaks(), found.toString());
    assertTrue(found.separation().auc() > 0.8, found.toString());
    assertTrue(found.shown() > 0, found.toString());
    assertTrue(found.guessed().value() > 0.6, found.toString());
    assertFalse(found.refutesTheClaim(), "nothing is claimed");
    assertEquals(List.of(), files(temporary));
    assertEquals(before, files(folder));
    assertArrayEquals(data, Files.readAllBytes(setting.data()));
  }

  /** Five standard deviations of the area under the curve about chance. */
  @Test
  void noiseHidesTheCanaries() {
    TextAudit.Result found = run(1, 100, 1);
    assertEquals(0.5, found.separation().auc(), 0.29, found.toString());
    assertTrue(found.claimed() <= 1 && found.claimed() > 0.9, found.toString());
    assertFalse(found.refutesTheClaim(), found.toString());
  }

  /** At one delta four records cost more than four times what one costs. */
  @Test
  void severalCopiesHaveTheirOwnClaim() {
    RunPlan plan = RunPlan.of(settings(1, 100), model.config());
    double one = TextAudit.claimed(plan, 1);
    assertEquals(plan.epsilon().upper(), one);
    double four = TextAudit.claimed(plan, 4);
    assertTrue(four > 4 * one && four < 40 * one, one + " for one record, " + four + " for four");
    RunPlan free = RunPlan.of(settings(Double.POSITIVE_INFINITY, 100), model.config());
    assertEquals(Double.POSITIVE_INFINITY, TextAudit.claimed(free, 4));
  }

  @Test
  void onlyCanariesThatAreInOnceRefuteTheClaim() {
    MechanismSpec mechanism = RunPlan.of(settings(1, 100), model.config()).mechanism();
    Proportion half = new Proportion(50, 100);
    Separation none = new Separation(0.5, 0.4, 0.6, half, half);
    for (int repeats : new int[] {1, 2}) {
      TextAudit.Attack attack = new TextAudit.Attack(CANARIES, repeats, 0.05);
      for (double shown : new double[] {0.9, 1.1}) {
        TextAudit.Result found =
            new TextAudit.Result(attack, mechanism, 1, 50, 9, none, half, shown);
        assertEquals(repeats == 1 && shown > 1, found.refutesTheClaim(), found.toString());
      }
    }
  }

  @Test
  void anAuditThatFailsLeavesNothing() {
    SynthesisListener failing =
        new SynthesisListener() {
          private String part;

          @Override
          public void begin(String what, long steps) {
            part = what;
          }

          @Override
          public void done(long steps) {
            if (part.equals("training")) {
              assertFalse(files(temporary).isEmpty(), "the ledger is here while it is used");
              throw new IllegalStateException("stop");
            }
          }
        };
    TextAudit audit = audit(8, 3, 1);
    assertThrows(IllegalStateException.class, () -> audit.run(temporary, failing));
    assertEquals(List.of(), files(temporary));
  }

  private static List<Path> files(Path place) {
    try (Stream<Path> all = Files.walk(place)) {
      return all.filter(path -> !path.equals(place)).sorted().toList();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private Template template(Tokenizer tokenizer) {
    return Synthesis.template(model, tokenizer, TinySetting.LABELS, TinySetting.PROMPT);
  }

  private List<CanaryTexts.Canary> canaries(SecretKey key, int count) {
    Tokenizer tokenizer = Synthesis.tokenizer(model);
    Template template = template(tokenizer);
    try (Kernels kernels = new CpuKernels(DType.F32);
        TunedDecoder base = TunedDecoder.untuned(model, kernels, MAX_TOKENS)) {
      return new CanaryTexts(template, tokenizer, MAX_TOKENS)
          .draw(new UntunedTexts(base, template, TinySetting.execution()), key, count, _ -> {});
    }
  }

  @Test
  void theOwnersRecordsStayAsTheyAreAndCanariesAreRecordsLikeThem() {
    Tokenizer tokenizer = Synthesis.tokenizer(model);
    Template template = template(tokenizer);
    Synthesis.Data data = Synthesis.data(setting.source(), template, MAX_TOKENS);
    List<Example> own = data.examples();
    long[] counts = data.labelCounts().clone();
    List<int[]> ids = own.stream().map(example -> example.tokens().clone()).toList();
    try (SecretKey key = SecretKey.insecureDeterministic(3)) {
      List<CanaryTexts.Canary> canaries = canaries(key, 60);
      Coins coins = Coins.toss(key, 60);
      Synthesis.Data joined = audit(8, 3, 3).join(data, canaries, coins);
      List<Example> all = joined.examples();
      for (int i = 0; i < own.size(); i++) {
        assertSame(own.get(i), all.get(i));
        assertArrayEquals(ids.get(i), all.get(i).tokens());
      }
      int next = own.size();
      for (int i = 0; i < 60; i++) {
        for (int copy = 0; coins.in(i) && copy < 3; copy++) {
          int[] prompt = template.prefix(canaries.get(i).label());
          Example example = all.get(next++);
          assertEquals(prompt.length, example.prefix());
          assertEquals(TinySetting.END, example.tokens()[example.tokens().length - 1], "whole");
          int[] body =
              Arrays.copyOfRange(example.tokens(), prompt.length, example.tokens().length - 1);
          String text = tokenizer.decodeText(body);
          assertEquals(canaries.get(i).text(), text);
        }
      }
      assertEquals(next, all.size());
      assertArrayEquals(counts, data.labelCounts());
      assertEquals(all.size(), Arrays.stream(joined.labelCounts()).sum());
    }
  }

  @Test
  void labelsAreUniformAndEndsAreAllDifferent() {
    try (SecretKey key = SecretKey.insecureDeterministic(4)) {
      List<CanaryTexts.Canary> canaries = canaries(key, 400);
      long red = canaries.stream().filter(canary -> canary.label() == 0).count();
      assertEquals(200, red, 50, "five standard deviations");
      assertEquals(400, canaries.stream().map(CanaryTexts.Canary::suffix).distinct().count());
      assertTrue(canaries.stream().allMatch(c -> c.suffix().length() == 1 + CanaryTexts.SUFFIX));
      assertTrue(canaries.stream().map(CanaryTexts.Canary::prefix).distinct().count() > 20);
    }
  }

  /** Two neighbouring signs of each canary that is in stand somewhere in the texts. */
  @Test
  void theScoreTellsPlantedCanariesFromOthers() {
    Tokenizer tokenizer = Synthesis.tokenizer(model);
    Random random = new Random(6);
    try (SecretKey key = SecretKey.insecureDeterministic(5)) {
      List<CanaryTexts.Canary> canaries = canaries(key, CANARIES);
      Coins coins = Coins.toss(key, CANARIES);
      List<String> ordinary = words(random);
      List<String> planted = new ArrayList<>(words(random));
      for (int i = 0; i < CANARIES; i++) {
        if (coins.in(i)) {
          int text = random.nextInt(planted.size());
          String piece = canaries.get(i).suffix().substring(3, 6);
          planted.set(text, planted.get(text) + piece);
        }
      }
      assertTrue(separation(tokenizer, canaries, coins, planted, ordinary).lower() > 0.7);
      double clean = separation(tokenizer, canaries, coins, words(random), ordinary).auc();
      assertEquals(0.5, clean, 0.29);
      double[] same = TextAudit.scores(tokenizer, canaries, ordinary, ordinary);
      assertArrayEquals(new double[CANARIES], same);
    }
  }

  private static Separation separation(
      Tokenizer tokenizer,
      List<CanaryTexts.Canary> canaries,
      Coins coins,
      List<String> synthetic,
      List<String> ordinary) {
    double[] scores = TextAudit.scores(tokenizer, canaries, synthetic, ordinary);
    return Separation.of(coins.scoresOf(true, scores), coins.scoresOf(false, scores));
  }

  private static List<String> words(Random random) {
    return IntStream.range(0, 300)
        .mapToObj(i -> "note number " + random.nextInt(1000) + " of " + random.nextInt(50))
        .toList();
  }

  /** A card beside the weights says that they were tuned on private records. */
  @Test
  void aTunedModelIsRefused() throws IOException {
    Files.writeString(setting.model().resolve(ModelFolder.CARD), "{}");
    InputException refused =
        assertThrows(
            InputException.class,
            () ->
                TextAudit.run(
                    setting.model(),
                    setting.source(),
                    TinySetting.PROMPT,
                    settings(8, 1),
                    new SamplingSettings(300, 1, 0, 1, 0, false, 1),
                    TinySetting.execution(),
                    new TextAudit.Attack(CANARIES, 1, 0.05),
                    SynthesisListener.silent()));
    assertTrue(refused.getMessage().contains("was tuned on private records"), refused.getMessage());
  }

  @Test
  void whatCannotBeAttackedIsRefused() {
    for (int[] bad : new int[][] {{49, 1}, {10_001, 1}, {50, 0}, {50, 17}}) {
      assertThrows(
          IllegalArgumentException.class, () -> new TextAudit.Attack(bad[0], bad[1], 0.05));
    }
    for (double bad : new double[] {0, 1, Double.NaN}) {
      assertThrows(IllegalArgumentException.class, () -> new TextAudit.Attack(50, 1, bad));
    }
  }
}
