package palimpsest.synth;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import palimpsest.engine.generate.Scorer;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.tensor.TensorArena;
import palimpsest.engine.train.Example;
import palimpsest.engine.train.ExampleGradients;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Template;

/**
 * How a run learns: the training that {@link Synthesis} would make, with the loss on held-out
 * records on the way.
 *
 * <p>What is learned here follows from the owner's records and is private. Nothing is released or
 * kept: the payments go to a {@link TemporaryLedger}, all else stays in memory.
 */
public final class LearningCurve {
  /**
   * A point of the curve.
   *
   * @param step how many were made
   * @param loss on the held-out records' texts with their end tokens, in nats a token
   */
  public record Point(long step, double loss) {}

  private final ModelFolder folder;
  private final Synthesis.Source source;
  private final Synthesis.Source heldOut;
  private final RunPlan plan;
  private final ExecutionSpec execution;
  private final Template template;

  LearningCurve(
      ModelFolder folder,
      Synthesis.Source source,
      Path heldOut,
      Synthesis.Prompt prompt,
      RunSettings settings,
      ExecutionSpec execution) {
    Synthesis.requireSameUnit(settings.goal(), source.options());
    this.folder = folder;
    this.source = source;
    this.heldOut =
        new Synthesis.Source(heldOut, source.options(), source.labels(), source.dataSet());
    plan = RunPlan.of(settings, folder.config());
    this.execution = execution.forLength(plan.longestSequence());
    ExampleGradients.requireRecomputable(settings.method(), execution.recompute());
    template = Synthesis.template(folder, Synthesis.tokenizer(folder), source.labels(), prompt);
    template.requireRoom(settings.maxTokens());
  }

  /**
   * Makes the run.
   *
   * @param model folder of the pretrained model
   * @param source the owner's records; the data set's name is not used
   * @param heldOut a file of records that are read in the same way, and not trained on
   * @param every so many steps there is a point; there is one before the first and one after the
   *     last too
   * @throws InputException for bad input, in one line
   */
  public static List<Point> run(
      Path model,
      Synthesis.Source source,
      Path heldOut,
      Synthesis.Prompt prompt,
      RunSettings settings,
      ExecutionSpec execution,
      int every,
      SynthesisListener listener) {
    AdapterCard.refuseAsBase(model);
    try (ModelFolder folder = ModelFolder.open(model)) {
      return new LearningCurve(folder, source, heldOut, prompt, settings, execution)
          .run(TemporaryLedger.usualParent(), every, listener);
    }
  }

  /**
   * @param temporary where the ledger's folder is made
   */
  List<Point> run(Path temporary, int every, SynthesisListener listener) {
    if (every < 1) {
      throw new IllegalArgumentException(
          "a point every " + every + " steps; it must be at least 1");
    }
    try (Synthesis.Data own = Synthesis.data(source, template, plan.maxTokens());
        Synthesis.Data held = Synthesis.data(heldOut, template, plan.maxTokens());
        Kernels kernels = Synthesis.kernels(execution);
        TunedDecoder model = Synthesis.begin(plan, folder, kernels);
        TensorArena arena = new TensorArena();
        Scorer scorer = new Scorer(model, execution.workers())) {
      if (held.examples().isEmpty()) {
        throw new InputException(heldOut.file() + ": holds no usable record");
      }
      // Its values are taken; mapped, the file's pages would be memory of this process.
      folder.close();
      TrainingState state = new TrainingState(model, plan.tuning().optimizer(), arena);
      List<Point> points = new ArrayList<>();
      points.add(new Point(0, loss(scorer, held.examples())));
      long steps = plan.mechanism().steps();
      listener.begin("training", steps);
      try (SecretKey key = SecretKey.fromOperatingSystem();
          TemporaryLedger ledger = new TemporaryLedger(temporary, plan.mechanism());
          PrivateTraining training =
              PrivateTraining.of(model, state, plan.mechanism(), plan.tuning(), execution)) {
        training.run(
            own.examples(),
            ledger.startRun(List.of(), key),
            key,
            1,
            () -> {},
            step -> {
              if (step % every == 0 || step == steps) {
                points.add(new Point(step, loss(scorer, held.examples())));
              }
              listener.done(step);
            });
      }
      return points;
    }
  }

  /** Nats a token over all texts together. */
  private static double loss(Scorer scorer, List<Example> examples) {
    Map<String, List<Example>> alike = new LinkedHashMap<>();
    for (Example example : examples) {
      alike.computeIfAbsent(Arrays.toString(prefix(example)), _ -> new ArrayList<>()).add(example);
    }
    double sum = 0;
    long tokens = 0;
    for (List<Example> group : alike.values()) {
      List<int[]> texts =
          group.stream()
              .map(e -> Arrays.copyOfRange(e.tokens(), e.prefix(), e.tokens().length))
              .toList();
      sum -= Arrays.stream(scorer.score(prefix(group.getFirst()), texts)).sum();
      tokens += texts.stream().mapToLong(text -> text.length).sum();
    }
    return sum / tokens;
  }

  private static int[] prefix(Example example) {
    return Arrays.copyOf(example.tokens(), example.prefix());
  }
}
