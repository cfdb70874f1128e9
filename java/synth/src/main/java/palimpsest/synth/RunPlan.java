package palimpsest.synth;

import palimpsest.engine.model.DecoderConfig;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.Calibration;
import palimpsest.privacy.EpsilonBracket;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.ProtectedUnit;

/**
 * A training run, settled before any record is read, from public quantities alone ({@code
 * docs/defaults.md}):
 *
 * <ul>
 *   <li>examples E that are taken through the model in all: the smaller of two passes over the size
 *       bound and what the time allows at a nominal rate of 300 GFLOP/s and 4 FLOP a weight and
 *       token, at half the longest text;
 *   <li>expected batch 4 sqrt(E), steps E / batch: the noise of an average falls with the batch,
 *       the optimizer needs some steps;
 *   <li>rank 8, alpha 16, C = 1, AdamW at 2e-3 after a warm-up of an eighth of the steps, falling
 *       to a tenth.
 * </ul>
 *
 * @param epsilon what the mechanism costs
 * @param tokens nominal number of tokens that training reads
 * @param seconds nominal time of training
 */
public record RunPlan(
    MechanismSpec mechanism,
    TuningSpec tuning,
    EpsilonBracket epsilon,
    int maxTokens,
    long tokens,
    double seconds) {
  private static final double NOMINAL_FLOPS = 300e9;
  private static final double LEARNING_RATE = 2e-3;
  private static final int MIN_STEPS = 10;

  /** The plan for a model. */
  public static RunPlan of(RunSettings settings, DecoderConfig model) {
    double tokenSeconds = 4.0 * model.parameterCount() / NOMINAL_FLOPS;
    double exampleTokens = settings.maxTokens() / 2.0;
    double affordable = settings.time().toSeconds() / (tokenSeconds * exampleTokens);
    double examples = Math.max(1, Math.min(2.0 * settings.sizeBound(), affordable));
    long batch =
        settings
            .expectedBatch()
            .orElseGet(
                () -> Math.clamp(Math.round(4 * Math.sqrt(examples)), 1, settings.sizeBound()));
    int steps =
        settings
            .steps()
            .orElseGet(() -> (int) Math.clamp(Math.round(examples / batch), MIN_STEPS, 100_000));
    if (batch < 1 || batch > settings.sizeBound()) {
      throw new IllegalArgumentException(
          "the expected batch is "
              + batch
              + "; it must be 1 to the size bound "
              + settings.sizeBound());
    }
    MechanismSpec mechanism = mechanism(settings, batch, steps);
    TuningSpec tuning =
        new TuningSpec(
            settings.rank(),
            2.0 * settings.rank(),
            settings.learningRate().orElse(LEARNING_RATE),
            steps / 8,
            0.1,
            24);
    EpsilonBracket epsilon =
        mechanism.nonPrivate()
            ? new EpsilonBracket(
                Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY)
            : Accountant.of(mechanism).epsilon(mechanism.delta());
    long tokens = Math.round(batch * (double) steps * exampleTokens);
    return new RunPlan(
        mechanism, tuning, epsilon, settings.maxTokens(), tokens, tokens * tokenSeconds);
  }

  private static MechanismSpec mechanism(RunSettings settings, long batch, int steps) {
    double delta = settings.deltaInForce();
    ProtectedUnit protectedUnit =
        settings.recordsPerUser() > 1 ? ProtectedUnit.USER : ProtectedUnit.RECORD;
    MechanismSpec without =
        MechanismSpec.nonPrivate(
                settings.relation(), settings.clipNorm(), batch, settings.sizeBound(), steps, delta)
            .withUnit(protectedUnit, settings.recordsPerUser());
    if (Double.isInfinite(settings.epsilon())) {
      return without;
    }
    MechanismSpec unit =
        MechanismSpec.of(
                settings.relation(),
                1,
                settings.clipNorm(),
                batch,
                settings.sizeBound(),
                steps,
                delta)
            .withUnit(protectedUnit, settings.recordsPerUser());
    return Calibration.calibrate(unit, settings.epsilon());
  }
}
