package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.FieldSource;
import org.junit.jupiter.params.provider.MethodSource;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TuningMethod;
import palimpsest.privacy.ClipRule;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.LedgerRecord;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;
import palimpsest.synth.bench.RandomModel;
import palimpsest.synth.text.InputException;

/** The whole job under every rule of clipping. */
class ClipRulesTest {
  static final ClipRule.Quantile QUANTILE = new ClipRule.Quantile(0.5, 0.2, OptionalDouble.empty());

  static final List<ClipRule> RULES =
      List.of(new ClipRule.Flat(), new ClipRule.PerLayer(), new ClipRule.Automatic(0.01), QUANTILE);

  private static final List<TuningMethod> METHODS =
      List.of(
          TuningMethod.Lora.of(2),
          new TuningMethod.Prompt(7),
          new TuningMethod.Bias(Set.of()),
          new TuningMethod.Full());

  @TempDir Path folder;

  static Stream<Arguments> cases() {
    return METHODS.stream()
        .flatMap(method -> RULES.stream().map(rule -> Arguments.of(method, rule)));
  }

  private static RunSettings settings(TuningMethod method, ClipRule rule) {
    return TinySetting.settings(RunSettings.Goal.of(8), 4, OptionalDouble.empty(), method)
        .withClipRule(rule);
  }

  private static List<LedgerRecord.RunStart> starts(TinySetting setting) {
    return Ledger.read(StateFolder.ledgers(setting.state()), "notes").stream()
        .filter(LedgerRecord.RunStart.class::isInstance)
        .map(LedgerRecord.RunStart.class::cast)
        .toList();
  }

  /** An interrupted run goes on under its rule and no other, and says which it was. */
  @ParameterizedTest
  @MethodSource("cases")
  void aRunGoesOnUnderItsRuleAndSaysIt(TuningMethod method, ClipRule rule) throws IOException {
    TinySetting setting = new TinySetting(folder);
    assertThrows(
        Interruption.class,
        () -> setting.run(settings(method, rule), 0, false, Interruption.after(2)));
    for (ClipRule other : RULES) {
      if (!other.equals(rule)) {
        InputException refused =
            assertThrows(
                InputException.class,
                () -> setting.run(settings(method, other), 0, true, SynthesisListener.silent()));
        assertTrue(refused.getMessage().contains("other settings"), refused.getMessage());
      }
    }
    Synthesis.Outcome outcome =
        setting.run(settings(method, rule), 3, true, SynthesisListener.silent());
    MechanismSpec mechanism = outcome.plan().mechanism();
    assertEquals(
        List.of(mechanism, mechanism.withSteps(2)),
        starts(setting).stream().map(LedgerRecord.RunStart::spec).toList());
    assertEquals(rule.id(), mechanism.clipRule().id());
    JsonNode statement =
        new ObjectMapper().readTree(setting.out().resolve(Synthesis.STATEMENT_JSON).toFile());
    assertEquals(rule.id(), statement.at("/clipRule").asText());
    assertEquals(mechanism.sumNoiseMultiplier(), statement.at("/sumNoiseMultiplier").asDouble());
    AdapterCard card =
        AdapterCard.read(setting.out().resolve(Synthesis.tunedFolder(method))).orElseThrow();
    assertTrue(card.statement().contains("Clip rule: " + mechanism.clipRule().words()));
  }

  /** What the attack finds is {@code TextAuditTest}'s business: here it must run and not refute. */
  @ParameterizedTest
  @FieldSource("RULES")
  void theWholeJobCanBeAttacked(ClipRule rule) throws IOException {
    TinySetting setting = new TinySetting(folder);
    try (ModelFolder model = ModelFolder.open(setting.model())) {
      TextAudit.Result found =
          new TextAudit(
                  model,
                  setting.source(),
                  TinySetting.PROMPT,
                  settings(TuningMethod.Lora.of(2), rule),
                  new SamplingSettings(20, 1, 0, 1, 0, false, 1),
                  TinySetting.execution(),
                  new TextAudit.Attack(50, 1, 0.05))
              .run(folder, SynthesisListener.silent());
      assertFalse(found.refutesTheClaim(), found.toString());
      assertEquals(rule.id(), found.mechanism().clipRule().id());
    }
  }

  /** The attack on a step knows one rule's sums, and must not speak of others. */
  @ParameterizedTest
  @FieldSource("RULES")
  void anAttackOnAStepIsOfFlatClipping(ClipRule rule) {
    ClipRule settled = rule instanceof ClipRule.Quantile counts ? counts.settled(9) : rule;
    MechanismSpec claim =
        MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1, 1, 10, 100, 5, 1e-5)
            .withClipRule(settled);
    if (rule instanceof ClipRule.Flat) {
      assertDoesNotThrow(() -> new GradientAudit(claim));
    } else {
      assertThrows(IllegalArgumentException.class, () -> new GradientAudit(claim));
    }
  }

  @ParameterizedTest
  @FieldSource("RULES")
  void whatARunCostsIsTheSameUnderEveryRule(ClipRule rule) {
    DecoderConfig model = RandomModel.smollm2();
    RunSettings flat = RunSettings.of(8, 5000);
    RunPlan plan = RunPlan.of(flat.withClipRule(rule), model);
    RunPlan expected = RunPlan.of(flat, model);
    assertEquals(expected.epsilon(), plan.epsilon());
    assertEquals(expected.mechanism(), plan.mechanism().withClipRule(new ClipRule.Flat()));
    double more = plan.mechanism().sumNoiseMultiplier() / expected.mechanism().noiseMultiplier();
    if (rule instanceof ClipRule.Quantile) {
      assertTrue(more > 1 && more < 1.04, more + " times the noise");
    } else {
      assertEquals(1, more);
    }
  }

  private static ClipRule.Quantile counted(double noise) {
    return QUANTILE.settled(noise);
  }

  @Test
  void theNoiseOfCountsIsSettledByThePlanOrTheOwner() {
    DecoderConfig model = RandomModel.smollm2();
    RunSettings settings = RunSettings.of(8, 5000).withClipRule(QUANTILE);
    MechanismSpec plan = RunPlan.of(settings, model).mechanism();
    assertEquals(QUANTILE.settled(plan.expectedBatch() / 20.0), plan.clipRule());
    RunSettings small =
        TinySetting.settings(
                RunSettings.Goal.of(1), 40, OptionalDouble.empty(), TuningMethod.Lora.of(2))
            .withClipRule(QUANTILE);
    MechanismSpec noisy = RunPlan.of(small, model).mechanism();
    assertEquals(QUANTILE.settled(2 * noisy.noiseMultiplier()), noisy.clipRule());
    MechanismSpec own = RunPlan.of(settings.withClipRule(counted(7)), model).mechanism();
    assertEquals(counted(7), own.clipRule());
    IllegalArgumentException refused =
        assertThrows(
            IllegalArgumentException.class,
            () -> RunPlan.of(settings.withClipRule(counted(0.2)), model));
    assertTrue(refused.getMessage().contains("leaves no noise"), refused.getMessage());
    RunSettings bare = RunSettings.of(Double.POSITIVE_INFINITY, 5000);
    assertEquals(counted(0), RunPlan.of(bare.withClipRule(QUANTILE), model).mechanism().clipRule());
    assertThrows(
        IllegalArgumentException.class, () -> RunPlan.of(bare.withClipRule(counted(7)), model));
  }

  /** The sum's noise, which is larger than what is paid for, must not wrap 32 bits either. */
  @Test
  void theGridOfAllWeightsLeavesRoomForTheSumsNoise() {
    DecoderConfig model = RandomModel.smollm2();
    RunSettings settings =
        new RunSettings(
            RunSettings.Goal.of(0.5),
            5000,
            96,
            OptionalInt.empty(),
            Duration.ofMinutes(10),
            1,
            new TuningMethod.Full(),
            OptionalLong.of(60),
            OptionalInt.of(20),
            OptimizerChoice.none(),
            OptionalDouble.empty());
    double sigma = RunPlan.of(settings, model).mechanism().noiseMultiplier();
    RunPlan plan = RunPlan.of(settings.withClipRule(counted(0.5001 * sigma)), model);
    double noise = plan.mechanism().sumNoiseMultiplier();
    assertTrue(noise > 10 * sigma, noise + " of " + sigma);
    double most = 60 + 6 * Math.sqrt(60) + 10 * noise;
    assertTrue(Math.scalb(most, plan.tuning().gridBits()) < 0x1p31);
    assertNotEquals(RunPlan.of(settings, model).tuning().gridBits(), plan.tuning().gridBits());
  }

  @Test
  void withoutNoiseNothingIsSaidToBeCharged() throws IOException {
    RunSettings settings = TinySetting.settings(Double.POSITIVE_INFINITY, 3).withClipRule(QUANTILE);
    Synthesis.Outcome outcome =
        new TinySetting(folder).run(settings, 0, false, SynthesisListener.silent());
    assertTrue(outcome.statement().text().contains("the count has no noise"));
    assertFalse(outcome.statement().text().contains("costs what"), outcome.statement().text());
    assertTrue(outcome.statement().text().startsWith("NON-PRIVATE"));
  }
}
