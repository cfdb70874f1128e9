package palimpsest.synth;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.TuningMethod;
import palimpsest.privacy.Accountant;
import palimpsest.privacy.Calibration;
import palimpsest.privacy.ClipRule;
import palimpsest.privacy.EpsilonBracket;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.PrivacyEvent;

/**
 * A training run, settled before any record is read, from public quantities alone ({@code
 * docs/defaults.md}):
 *
 * <ul>
 *   <li>examples E that are taken through the model in all: the smaller of two passes over the size
 *       bound and what the time allows at a nominal rate of 300 GFLOP/s and 4 FLOP a weight and
 *       token, and 2 more for each that is trained of the model's own, at the expected length, by
 *       default half of the longest;
 *   <li>expected batch 4 sqrt(E), steps E / batch: the noise of an average falls with the batch,
 *       the optimizer needs some steps; without noise, batches of 32;
 *   <li>noise on the count of the quantile rule: a twentieth of the expected batch, and at least
 *       twice the noise multiplier, so that the sum's noise grows by less than 4 %;
 *   <li>C = 1, AdamW (Adafactor for all weights) at a rate by method (2e-3 for adapters, 2e-2 for a
 *       soft prompt, 5e-3 for bias vectors, 5e-4 for all weights) after a warm-up of an eighth of
 *       the steps, falling on a line to a tenth. Decay is off: noise already holds the weights
 *       small.
 * </ul>
 *
 * @param parameters how many numbers are trained
 * @param labelNoise standard deviation of the noise on released label counts, in records, if any
 * @param epsilon what the run costs, its label counts included
 * @param maxTokens the longest record, virtual tokens of a soft prompt not counted
 * @param tokens nominal number of tokens that training reads, virtual ones included
 * @param seconds nominal time of training
 */
public record RunPlan(
    MechanismSpec mechanism,
    TuningSpec tuning,
    long parameters,
    OptionalDouble labelNoise,
    EpsilonBracket epsilon,
    int maxTokens,
    long tokens,
    double seconds) {
  private static final double NOMINAL_FLOPS = 300e9;
  private static final int MIN_STEPS = 10;
  private static final long NOISELESS_BATCH = 32;
  private static final int GRID_BITS = 24;

  /** Coarser grids would lose what little each of many weights gets of a gradient. */
  private static final int MIN_GRID_BITS = 16;

  /** The noise kernels take a standard deviation of at most 2^32 grid steps. */
  private static final double MAX_NOISE_MULTIPLIER = Math.scalb(1.0, 32 - GRID_BITS);

  /**
   * The plan for a model.
   *
   * @throws IllegalArgumentException if no run that this program can make meets the settings
   */
  public static RunPlan of(RunSettings settings, DecoderConfig model) {
    requireRoom(settings, model);
    double tokenSeconds = passes(settings.method(), model) * model.parameterCount() / NOMINAL_FLOPS;
    double exampleTokens =
        settings.expectedTokens().orElse(settings.maxTokens() / 2)
            + settings.method().promptTokens();
    double affordable = settings.time().toSeconds() / (tokenSeconds * exampleTokens);
    double examples = Math.max(1, Math.min(2.0 * settings.sizeBound(), affordable));
    long rule =
        Double.isInfinite(settings.goal().epsilon())
            ? NOISELESS_BATCH
            : Math.round(4 * Math.sqrt(examples));
    long batch = settings.expectedBatch().orElse(Math.clamp(rule, 1, settings.sizeBound()));
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
    EpsilonBracket epsilon =
        mechanism.nonPrivate()
            ? new EpsilonBracket(
                Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY)
            : Accountant.of(mechanism.relation(), events(mechanism, settings.labelNoise()))
                .epsilon(mechanism.delta());
    long tokens = Math.round(batch * (double) steps * exampleTokens);
    return new RunPlan(
        mechanism,
        tuning(settings, mechanism),
        settings.method().parameterCount(model),
        settings.labelNoise(),
        epsilon,
        settings.maxTokens(),
        tokens,
        tokens * tokenSeconds);
  }

  /** FLOP a weight and token; what a pass saves below the lowest trained tensor is not counted. */
  private static double passes(TuningMethod method, DecoderConfig model) {
    return method instanceof TuningMethod.Full
        ? 4 + 2.0 * method.parameterCount(model) / model.parameterCount()
        : 4;
  }

  private static void requireRoom(RunSettings settings, DecoderConfig model) {
    int virtual = settings.method().promptTokens();
    if (settings.maxTokens() > model.contextLength() - virtual) {
      throw new IllegalArgumentException(
          "the longest record is %d tokens%s; this model's context has %d"
              .formatted(
                  settings.maxTokens(),
                  virtual == 0 ? "" : " behind a prompt of " + virtual,
                  model.contextLength()));
    }
  }

  /** Tokens of the longest sequence that the model reads: the longest record behind a prompt. */
  public int longestSequence() {
    return maxTokens + tuning.method().promptTokens();
  }

  /** What the run releases besides its updates. */
  List<PrivacyEvent> releases() {
    return releases(mechanism, labelNoise);
  }

  private static List<PrivacyEvent> releases(MechanismSpec mechanism, OptionalDouble labelNoise) {
    return labelNoise.isPresent()
        ? List.of(LabelHistogram.event(mechanism, labelNoise.getAsDouble()))
        : List.of();
  }

  /** Everything that a run costs, if it has this mechanism. */
  static List<PrivacyEvent> events(MechanismSpec mechanism, OptionalDouble labelNoise) {
    List<PrivacyEvent> events = new ArrayList<>(releases(mechanism, labelNoise));
    events.add(new PrivacyEvent.PoissonGaussian(mechanism));
    return events;
  }

  private static TuningSpec tuning(RunSettings settings, MechanismSpec mechanism) {
    OptimizerSpec optimizer =
        settings.optimizer().settle(standard(settings.method(), mechanism.steps()));
    if (settings.optimizer().warmup().isPresent() && optimizer.warmup() >= mechanism.steps()) {
      throw new IllegalArgumentException(
          "a warm-up of %d steps leaves none of %d at the full rate"
              .formatted(optimizer.warmup(), mechanism.steps()));
    }
    return new TuningSpec(
        settings.method(),
        optimizer,
        settings.method() instanceof TuningMethod.Full ? narrowGridBits(mechanism) : GRID_BITS);
  }

  /** What is taken where nothing is asked of the optimizer. */
  public static OptimizerChoice.Standard standard(TuningMethod method, int steps) {
    return new OptimizerChoice.Standard(
        OptimizerKind.standard(method), learningRate(method), 0.99, 0, Schedule.LINEAR, steps / 8);
  }

  /**
   * The finest grid on which a sum of 32 bits does not wrap around, though all of a large batch
   * pushed one weight and the noise were ten standard deviations. Wrapping would take nothing from
   * the guarantee, but the update would be wrong.
   */
  private static int narrowGridBits(MechanismSpec mechanism) {
    double batch = mechanism.expectedBatch() + 6 * Math.sqrt(mechanism.expectedBatch());
    double noise = mechanism.nonPrivate() ? 0 : 10 * mechanism.sumNoiseMultiplier();
    int bits = 31 - Math.getExponent(2 * (batch + noise));
    if (bits < MIN_GRID_BITS) {
      throw new IllegalArgumentException(
          "an expected batch of %d with noise of %.3g clip norms is too large for tuning all weights"
              .formatted(mechanism.expectedBatch(), mechanism.sumNoiseMultiplier()));
    }
    return Math.min(GRID_BITS, bits);
  }

  private static double learningRate(TuningMethod method) {
    return switch (method) {
      case TuningMethod.Lora _ -> 2e-3;
      case TuningMethod.Prompt _ -> 2e-2;
      case TuningMethod.Bias _ -> 5e-3;
      case TuningMethod.Full _ -> 5e-4;
    };
  }

  private static MechanismSpec mechanism(RunSettings settings, long batch, int steps) {
    RunSettings.Goal goal = settings.goal();
    if (Double.isInfinite(goal.epsilon())) {
      return MechanismSpec.nonPrivate(
              goal.relation(),
              settings.clipNorm(),
              batch,
              settings.sizeBound(),
              steps,
              settings.delta())
          .withUnit(goal.unit(), goal.recordsPerUser())
          .withClipRule(settled(settings.clipRule()));
    }
    MechanismSpec unit =
        MechanismSpec.of(
                goal.relation(),
                1,
                settings.clipNorm(),
                batch,
                settings.sizeBound(),
                steps,
                settings.delta())
            .withUnit(goal.unit(), goal.recordsPerUser());
    MechanismSpec calibrated =
        Calibration.calibrate(unit, releases(unit, settings.labelNoise()), goal.epsilon());
    double count = Math.max(batch / 20.0, 2 * calibrated.noiseMultiplier());
    MechanismSpec mechanism = calibrated.withClipRule(settled(settings.clipRule(), count));
    if (mechanism.sumNoiseMultiplier() > MAX_NOISE_MULTIPLIER) {
      throw new IllegalArgumentException(
          "epsilon "
              + goal.epsilon()
              + " asks for noise of more than "
              + MAX_NOISE_MULTIPLIER
              + " clip norms, which leaves nothing to learn; raise it");
    }
    return mechanism;
  }

  /** The rule of a run without noise: a count has none either. */
  private static ClipRule settled(ClipRule rule) {
    if (rule instanceof ClipRule.Quantile quantile && quantile.countNoise().isPresent()) {
      throw new IllegalArgumentException(
          "a run without noise has none on its counts; leave it out");
    }
    return settled(rule, 0);
  }

  /**
   * The rule with the noise of its count, if it counts.
   *
   * @param countNoise in records, where the owner gave none
   */
  private static ClipRule settled(ClipRule rule, double countNoise) {
    return rule instanceof ClipRule.Quantile quantile
        ? quantile.settled(quantile.countNoise().orElse(countNoise))
        : rule;
  }
}
