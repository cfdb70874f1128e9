package palimpsest.synth;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.cpu.CpuKernels;
import palimpsest.engine.tensor.DType;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.NeighbouringRelation;

/** The audit never refutes a run that is what it claims, and always one with half the noise. */
class GradientAuditTest {
  private static final int RUNS = Boolean.getBoolean("palimpsest.test.full") ? 60 : 1;
  private static final int CANARIES = 2000;
  private static final double SIGNIFICANCE = 1e-3;

  private static MechanismSpec claim(long batch, int steps, double noise) {
    return MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, noise, 0.5, batch, 1000, steps, 1e-5);
  }

  @ParameterizedTest
  @CsvSource({"1000, 4, 2", "100, 60, 0.8", "250, 20, 0.9"})
  void halvedNoiseIsRefutedAndTheClaimIsNot(long batch, int steps, double noise) {
    MechanismSpec claim = claim(batch, steps, noise);
    GradientAudit audit = new GradientAudit(claim);
    try (Kernels kernels = new CpuKernels(DType.F32)) {
      for (int run = 0; run < RUNS; run++) {
        GradientAudit.Result honest = audit.run(kernels, CANARIES, SIGNIFICANCE, _ -> {});
        assertFalse(honest.refutesTheClaim(), honest.toString());
        assertTrue(honest.shown() > 0.2 * honest.claimed(), "shows too little: " + honest);
        GradientAudit.Result halved =
            audit.run(
                claim.withNoiseMultiplier(noise / 2), kernels, CANARIES, SIGNIFICANCE, _ -> {});
        assertTrue(halved.refutesTheClaim(), halved.toString());
      }
    }
  }

  @Test
  void recordsThatAreDrawnTooOftenAreSeen() {
    GradientAudit audit = new GradientAudit(claim(100, 60, 0.8));
    try (Kernels kernels = new CpuKernels(DType.F32)) {
      GradientAudit.Result often =
          audit.run(claim(200, 60, 0.8), kernels, CANARIES, SIGNIFICANCE, _ -> {});
      assertTrue(often.refutesTheClaim(), often.toString());
    }
  }

  @Test
  void claimsThatItCannotJudgeAreRefused() {
    MechanismSpec claim = claim(100, 10, 1);
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new GradientAudit(
                MechanismSpec.of(NeighbouringRelation.REPLACE_ONE, 1, 1, 10, 100, 5, 1e-5)));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new GradientAudit(
                MechanismSpec.nonPrivate(NeighbouringRelation.ADD_REMOVE, 1, 10, 100, 5, 1e-5)));
    try (Kernels kernels = new CpuKernels(DType.F32)) {
      assertThrows(
          IllegalArgumentException.class,
          () -> new GradientAudit(claim).run(kernels, 10, SIGNIFICANCE, _ -> {}));
      assertThrows(
          IllegalArgumentException.class,
          () -> new GradientAudit(claim).run(kernels, CANARIES, 1, _ -> {}));
    }
  }
}
