package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import palimpsest.engine.kernel.Optimizer;
import palimpsest.engine.model.TuningMethod;
import palimpsest.synth.bench.RandomModel;

/** What moves the parameters, and how fast: {@link OptimizerChoice} and {@link OptimizerSpec}. */
class OptimizerChoiceTest {
  private static final OptimizerChoice.Standard PRIVATE =
      RunPlan.standard(TuningMethod.Lora.of(8), 80);

  private static OptimizerChoice choice(
      OptimizerKind kind, OptionalDouble momentum, OptionalDouble decay) {
    return new OptimizerChoice(
        Optional.of(kind),
        OptionalDouble.of(0.01),
        momentum,
        decay,
        Optional.empty(),
        OptionalInt.empty());
  }

  @Test
  void whatIsNotAskedForIsTheStandard() {
    assertEquals(
        new OptimizerSpec(new Optimizer.AdamW(2e-3, 0.9, 0.99, 1e-8, 0), Schedule.LINEAR, 10, 0.1),
        OptimizerChoice.none().settle(PRIVATE));
    assertEquals(
        new OptimizerSpec(Optimizer.Adafactor.of(5e-4), Schedule.LINEAR, 10, 0.1),
        OptimizerChoice.none().settle(RunPlan.standard(new TuningMethod.Full(), 80)));
    assertEquals(
        new OptimizerSpec(new Optimizer.AdamW(1e-3, 0.9, 0.95, 1e-8, 0.1), Schedule.COSINE, 4, 0.1),
        OptimizerChoice.none().settle(PretrainSettings.standard(80)));
  }

  @Test
  void whatIsAskedForIsTaken() {
    OptimizerChoice choice =
        new OptimizerChoice(
            Optional.of(OptimizerKind.SGD),
            OptionalDouble.of(3),
            OptionalDouble.of(0.8),
            OptionalDouble.of(0.2),
            Optional.of(Schedule.COSINE),
            OptionalInt.of(7));
    assertEquals(
        new OptimizerSpec(new Optimizer.Sgd(3, 0.8, 0.2), Schedule.COSINE, 7, 0.1),
        choice.settle(PRIVATE));
    OptionalDouble none = OptionalDouble.empty();
    assertEquals(
        new Optimizer.Adafactor(0.01, 0.7, 0.8, 1e-30, 1),
        choice(OptimizerKind.ADAFACTOR, OptionalDouble.of(0.7), none).settle(PRIVATE).settings());
    assertEquals(
        new Optimizer.Adam(0.01, 0.9, 0.95, 1e-8, 0),
        choice(OptimizerKind.ADAM, none, none).settle(PretrainSettings.standard(9)).settings(),
        "the decay of a twentieth is AdamW's");
  }

  @ParameterizedTest
  @EnumSource
  void everyOptimizerIsKnownByItsSettings(OptimizerKind kind) {
    OptimizerSpec spec = OptimizerChoice.of(kind, OptionalDouble.of(0.5)).settle(PRIVATE);
    assertEquals(kind, spec.kind());
    assertEquals(0.5, spec.learningRate());
    assertEquals(0.25, spec.settings().withLearningRate(0.25).learningRate());
    assertEquals(0, spec.settings().withoutDecay().weightDecay());
  }

  @ParameterizedTest
  @CsvSource({"ADAM, 0.9, , momentum", "ADAMW, 0.9, , momentum", "ADAFACTOR, , 0.1, weight decay"})
  void aSettingOfAnotherOptimizerIsRefused(
      OptimizerKind kind, Double momentum, Double decay, String named) {
    OptimizerChoice choice =
        choice(
            kind,
            momentum == null ? OptionalDouble.empty() : OptionalDouble.of(momentum),
            decay == null ? OptionalDouble.empty() : OptionalDouble.of(decay));
    IllegalArgumentException refused =
        assertThrows(IllegalArgumentException.class, () -> choice.settle(PRIVATE));
    assertEquals(kind.id() + " has no " + named + " to be set", refused.getMessage());
  }

  @Test
  void noRateOfSgdIsGuessed() {
    OptimizerChoice sgd = OptimizerChoice.of(OptimizerKind.SGD, OptionalDouble.empty());
    assertThrows(IllegalArgumentException.class, () -> sgd.settle(PRIVATE));
  }

  @Test
  void whatIsOutOfRangeIsRefused() {
    for (Optimizer.Settings settings :
        List.of(
            new Optimizer.AdamW(1, 0.9, 0.99, 1e-8, 0),
            new Optimizer.AdamW(0, 0.9, 0.99, 1e-8, 0),
            new Optimizer.AdamW(0.1, 0.9, 0.99, 1e-8, 1),
            new Optimizer.Sgd(Double.NaN, 0, 0),
            new Optimizer.Sgd(1e6, 0, 0),
            new Optimizer.Sgd(0.1, 1, 0),
            new Optimizer.Sgd(0.1, -0.1, 0))) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new OptimizerSpec(settings, Schedule.LINEAR, 0, 0.1),
          settings.toString());
    }
    Optimizer.Settings good = new Optimizer.Sgd(20, 0, 0);
    assertThrows(
        IllegalArgumentException.class, () -> new OptimizerSpec(good, Schedule.LINEAR, -1, 0.1));
    assertThrows(
        IllegalArgumentException.class, () -> new OptimizerSpec(good, Schedule.LINEAR, 0, 1.1));
  }

  @Test
  void aWarmupThatNeverEndsIsRefused() {
    RunSettings.Goal goal = RunSettings.Goal.of(8);
    OptimizerChoice endless =
        new OptimizerChoice(
            Optional.empty(),
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            OptionalDouble.empty(),
            Optional.empty(),
            OptionalInt.of(5));
    RunSettings settings =
        TinySetting.settings(goal, 5, OptionalDouble.empty(), TuningMethod.Lora.of(2), endless);
    IllegalArgumentException refused =
        assertThrows(
            IllegalArgumentException.class, () -> RunPlan.of(settings, RandomModel.smollm2()));
    assertEquals("a warm-up of 5 steps leaves none of 5 at the full rate", refused.getMessage());
  }

  private static double share(Schedule schedule, int warmup, long step) {
    OptimizerSpec spec = new OptimizerSpec(new Optimizer.Sgd(1000, 0, 0), schedule, warmup, 0.1);
    return spec.at(step, 100).learningRate() / 1000;
  }

  @ParameterizedTest
  @EnumSource
  void theRateRisesToItsPeakAndFallsToItsLastShare(Schedule schedule) {
    assertEquals(1 / 11.0, share(schedule, 10, 1), 1e-12);
    assertEquals(10 / 11.0, share(schedule, 10, 10), 1e-12);
    double last = schedule == Schedule.CONSTANT ? 1 : 0.1;
    assertEquals(last, share(schedule, 10, 100), 1e-12, "in the last step, not after it");
    double before = 1;
    for (int step = 11; step <= 100; step++) {
      double now = share(schedule, 10, step);
      assertEquals(schedule == Schedule.CONSTANT, now == before, "step " + step);
      assertEquals(before, Math.max(before, now), "it never rises again");
      before = now;
    }
  }

  @Test
  void aLineAndHalfACosine() {
    assertEquals(0.55, share(Schedule.LINEAR, 0, 50), 1e-12);
    assertEquals(0.55, share(Schedule.COSINE, 10, 55), 1e-12, "half way from the peak to a tenth");
    assertEquals(0.1 + 0.45 * (1 + Math.sqrt(0.5)), share(Schedule.COSINE, 0, 25), 1e-12);
  }
}
